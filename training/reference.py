"""Writes `reference.npz`, which `models.reference` reads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.reference import BINS


def save(
    path: Path,
    embedding: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    ids: Sequence[str],
    answers: npt.NDArray[np.float64],
) -> None:
    """Write what was learned from, and how answers are distributed.

    Args:
        path: of the file.
        embedding: [M, D], of the images that were learned from; rounded to float16.
        labels: [M], their classes.
        ids: [M], their names.
        answers: calibrated probabilities [N, K] of images that were not learned from.
    """
    confidence, _ = np.histogram(answers.max(axis=1), BINS, (0, 1))
    np.savez_compressed(
        path,
        embedding=embedding.astype(np.float16),
        labels=labels,
        ids=np.array(ids),
        predicted=np.bincount(answers.argmax(axis=1), minlength=answers.shape[1]),
        confidence=confidence,
    )
