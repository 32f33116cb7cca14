"""`thumbnails.npz`: small pictures of what a model learned from, where its bundle keeps them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models import archive
from models.errors import BundleInvalid

THUMBNAILS = "thumbnails.npz"

SIDE = 96
"""Most pixels along a side."""


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """A JPEG of each of the M images of a `models.reference.Reference`, in its order.

    Attributes:
        jpeg: uint8 [B], the files, one after the other.
        ends: int64 [M], where in `jpeg` each ends.
    """

    jpeg: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]

    def __getitem__(self, row: int) -> bytes:
        """One image's JPEG."""
        start = self.ends[row - 1] if row else 0
        return self.jpeg[start : self.ends[row]].tobytes()


def read(path: Path, images: int) -> Thumbnails:
    """Read the file; its hash is taken to be verified.

    Args:
        path: of the file.
        images: M.

    Raises:
        BundleInvalid: it cannot be read, lacks an array, or has not got M images.
    """
    arrays: dict[str, Any] = archive.read(path, ["jpeg", "ends"])
    found = Thumbnails(arrays["jpeg"], arrays["ends"])
    if not _fits(found, images):
        raise BundleInvalid(f"{path} holds no JPEG of each of the {images} images")
    return found


def _fits(found: Thumbnails, images: int) -> bool:
    return (
        found.jpeg.dtype == np.uint8
        and found.jpeg.ndim == 1
        and found.ends.dtype == np.int64
        and found.ends.shape == (images,)
        and bool((np.diff(found.ends, prepend=0) > 0).all())
        and int(found.ends[-1]) == len(found.jpeg)
    )
