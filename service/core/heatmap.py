"""A saliency map drawn over its photo, with the box around what it points at."""

from functools import cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from service.core.localization import Box

MAX_SIDE = 2048

_OPACITY = 0.6
_BRIGHTEST = 99.0


def overlay(
    photo: npt.NDArray[np.uint8],
    saliency: npt.NDArray[np.floating],
    crop: Box,
    box: Box | None = None,
) -> bytes:
    """Draw the map over the part of the photo that it covers, as a PNG; see `laid_over`."""
    png = BytesIO()
    laid_over(photo, saliency, crop, box).save(png, format="PNG", compress_level=4)
    return png.getvalue()


def laid_over(
    photo: npt.NDArray[np.uint8],
    saliency: npt.NDArray[np.floating],
    crop: Box,
    box: Box | None = None,
) -> Image.Image:
    """Draw the map over the part of the photo that it covers.

    The colours run from the map's zero to its 99th percentile (as Smilkov et al. 2017,
    "SmoothGrad", cap outliers). Outside the crop, which the model did not see, the map
    counts as zero. A photo with a side above 2048 pixels is drawn smaller.

    Args:
        photo: uint8 [height, width, 3], RGB, upright.
        saliency: [H, W], not negative.
        crop: (left, top, right, bottom) of what the map covers, in the photo's pixels.
        box: the same of a box to draw, its lines inside it; None draws none.

    Returns:
        A picture of the photo's aspect.
    """
    picture = _shrunk(Image.fromarray(photo))
    height, width = photo.shape[:2]
    across, down = picture.width / width, picture.height / height
    heat = _over_photo(_normalised(saliency), picture.size, _scaled(crop, across, down))
    drawn = Image.blend(picture, Image.fromarray(colours()[heat]), _OPACITY)
    if box is not None:
        _frame(drawn, _scaled(box, across, down))
    return drawn


@cache
def colours() -> npt.NDArray[np.uint8]:
    """The colour map: sRGB uint8 [256, 3], from near black over violet and orange to yellow.

    Lightness rises evenly in OKLab (Ottosson 2020), so that equal steps of the map look
    equal; the hue turns once, and the colours fade towards both ends.
    """
    position = np.linspace(0, 1, 256)
    lightness = 0.16 + 0.80 * position
    chroma = 0.03 + 0.13 * np.sin(np.pi * position**0.9) ** 0.8
    hue = np.deg2rad(285 + 185 * position)
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    linear = (lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T
    inside = np.clip(linear, 0, 1)
    gamma = 1.055 * inside ** (1 / 2.4) - 0.055
    encoded = np.where(inside <= _LINEAR_BELOW, 12.92 * inside, gamma)
    return np.asarray(np.round(encoded * 255), dtype=np.uint8)


_LINEAR_BELOW = 0.0031308  # of sRGB's transfer curve
_OKLAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _scaled(box: Box, across: float, down: float) -> Box:
    left, top, right, bottom = box
    return (left * across, top * down, right * across, bottom * down)


def _frame(picture: Image.Image, box: Box) -> None:
    """Draw a box: white around black, which shows on any colour."""
    left, top, right, bottom = (round(edge) for edge in box)
    draw = ImageDraw.Draw(picture)
    for inset, colour in enumerate(("white", "black")):
        # Pillow's rectangles include their last row and column.
        corners = (left + inset, top + inset, right - 1 - inset, bottom - 1 - inset)
        if corners[0] <= corners[2] and corners[1] <= corners[3]:
            draw.rectangle(corners, outline=colour)


def _shrunk(picture: Image.Image) -> Image.Image:
    """The picture with no side above the maximum and none below a pixel."""
    shrink = MAX_SIDE / max(picture.size)
    if shrink >= 1:
        return picture
    width, height = (max(1, round(side * shrink)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


def _normalised(saliency: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """The map scaled to [0, 1]; a map that is zero everywhere stays so."""
    values = np.asarray(saliency, dtype=np.float32)
    brightest = np.percentile(values, _BRIGHTEST) or values.max() or 1.0
    return np.asarray(np.clip(values / brightest, 0, 1), dtype=np.float32)


def _over_photo(
    values: npt.NDArray[np.float32], size: tuple[int, int], crop: Box
) -> npt.NDArray[np.uint8]:
    """The map [H, W] in [0, 1] laid over a photo of (width, height) `size`: uint8 [h, w]."""
    left, top, right, bottom = crop
    height, width = values.shape
    across, down = width / (right - left), height / (bottom - top)
    grey = Image.fromarray(np.round(values * 255).astype(np.uint8))
    laid = grey.transform(
        size,
        Image.Transform.AFFINE,
        (across, 0, -left * across, 0, down, -top * down),
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(laid)
