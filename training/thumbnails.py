"""Writes `thumbnails.npz`, which `models.thumbnails` reads."""

from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.thumbnails import SIDE

QUALITY = 80


def save(path: Path, crops: npt.NDArray[np.uint8]) -> None:
    """Write a JPEG of each crop; one that is small stays as small.

    Args:
        path: of the file.
        crops: [M, H, W, 3], what the network saw of the images that it learned from.
    """
    files = [_jpeg(crop) for crop in crops]
    np.savez(
        path,
        jpeg=np.frombuffer(b"".join(files), np.uint8),
        ends=np.cumsum([len(file) for file in files], dtype=np.int64),
    )


def _jpeg(crop: npt.NDArray[np.uint8]) -> bytes:
    picture, encoded = Image.fromarray(crop), BytesIO()
    picture.thumbnail((SIDE, SIDE))
    picture.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()
