"""A photo's crop as Pillow alone makes it: what quicker ways are held to."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.manifest import Preprocessing
from models.photo import DEFAULT_LIMITS, decode
from models.preprocess import crop_box


def crop(data: bytes, steps: Preprocessing, *, shorter: int | None = None) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3], as `preprocess` gives it; `shorter` as in `models.photo.decode`."""
    photo = decode(data, DEFAULT_LIMITS, shorter=shorter)
    height, width = steps.crop
    box = photo.place(crop_box(photo.size, steps))
    kernel = Image.Resampling[steps.resampling.name]
    return np.asarray(photo.image.resize((width, height), kernel, box=box))
