"""THE function from an encoded image to the uint8 crop that the graphs expect.

Training's evaluation, the service and batch scoring all call it. Its geometry is that of
torchvision's `Resize(resize)` and `CenterCrop(crop)` on Pillow images, rounding included.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from models import photo
from models.manifest import Preprocessing
from models.photo import DEFAULT_LIMITS, Box, Limits
from models.resizing import resize

# A JPEG is decoded at reduced scale only down to this many times `resize`; what that does
# to answers is measured in benchmarks/results/scaled_decoding.md.
MARGIN = 2


@dataclass(frozen=True)
class Crop:
    """What the model sees of a photo, and where in the photo it lies.

    `pixels` is uint8 [H, W, 3], RGB. `photo_size` is the upright photo's (width, height)
    and `box` the crop's (left, top, right, bottom) in it, both in the photo's own pixels.
    """

    pixels: npt.NDArray[np.uint8]
    photo_size: tuple[int, int]
    box: Box
    format: str


def preprocess(
    data: bytes,
    preprocessing: Preprocessing,
    limits: Limits = DEFAULT_LIMITS,
    *,
    margin: float | None = MARGIN,
) -> Crop:
    """Decode an image, resize its shorter side and cut the centre.

    `margin` is for measuring: None decodes even the largest JPEG in full.

    Raises:
        EmptyImage: there are no bytes.
        UnsupportedFormat: not JPEG, PNG, WebP, GIF, BMP or TIFF.
        CorruptImage: the content is broken or cut off.
        ImageTooLarge: more pixels than `limits` allow.
    """
    shorter = None if margin is None else ceil(margin * preprocessing.resize)
    decoded = photo.decode(data, limits, shorter=shorter)
    box = crop_box(decoded.size, preprocessing)
    height, width = preprocessing.crop
    # Resizing only the part that the crop shows equals resizing all and cropping.
    pixels = resize(decoded.image, (width, height), decoded.place(box), preprocessing.resampling)
    return Crop(np.asarray(pixels), decoded.size, box, decoded.format)


def crop_box(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """The part of a photo of (width, height) `size` that its crop shows, in its pixels."""
    width, height = size
    short = min(size)
    new_width = preprocessing.resize * width // short
    new_height = preprocessing.resize * height // short
    crop_height, crop_width = preprocessing.crop
    left = round((new_width - crop_width) / 2)
    top = round((new_height - crop_height) / 2)
    across, down = width / new_width, height / new_height
    return (left * across, top * down, (left + crop_width) * across, (top + crop_height) * down)
