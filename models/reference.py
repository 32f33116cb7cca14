"""`reference.npz`: what a model learned from, and how it answers on images like these."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models import archive
from models.errors import BundleInvalid

REFERENCE = "reference.npz"

BINS = 20
"""Of equal width, of confidences from 0 to 1."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The M images that were learned from, and histograms of answers on images that were not.

    Attributes:
        embedding: float16 [M, D], finite.
        labels: int64 [M], indices of their classes, below K.
        ids: [M], their names.
        predicted: int64 [K], how many answers named each class.
        confidence: int64 [20], how many answers' largest probability lay in each bin.
    """

    embedding: npt.NDArray[np.float16]
    labels: npt.NDArray[np.int64]
    ids: npt.NDArray[np.str_]
    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.int64]


def read(path: Path, classes: int) -> Reference:
    """Read the file; its hash is taken to be verified.

    Args:
        path: of the file.
        classes: K.

    Raises:
        BundleInvalid: it cannot be read, lacks an array, or the arrays do not fit together.
    """
    names = [field.name for field in fields(Reference)]
    arrays: dict[str, Any] = archive.read(path, names)
    found = Reference(**{name: arrays[name] for name in names})
    if not _fits(found, classes):
        raise BundleInvalid(f"{path}: its arrays do not fit together, or a number is out of range")
    return found


def _fits(found: Reference, classes: int) -> bool:
    images = found.embedding.shape[0] if found.embedding.ndim else 0
    return (
        images > 0
        and found.embedding.dtype == np.float16
        and found.embedding.ndim == len(("M", "D"))
        and bool(np.isfinite(found.embedding).all())
        and found.labels.shape == found.ids.shape == (images,)
        and found.labels.dtype == found.predicted.dtype == found.confidence.dtype == np.int64
        and 0 <= int(found.labels.min()) <= int(found.labels.max()) < classes
        and found.predicted.shape == (classes,)
        and found.confidence.shape == (BINS,)
        and min(found.predicted.min(), found.confidence.min()) >= 0
    )
