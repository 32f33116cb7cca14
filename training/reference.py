"""`reference.npz`: what the model learned from, and how it answers on images like these."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

FILE = "reference.npz"

BINS = 20
"""Of equal width, of confidences from 0 to 1."""


def save(
    path: Path,
    embedding: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    ids: Sequence[str],
    answers: npt.NDArray[np.float64],
) -> None:
    """Write `embedding` float16 [M, D], `labels` int64 [M], `ids` [M], and two histograms.

    `predicted` int64 [K] counts the answers' classes and `confidence` int64 [20] their
    probabilities: what a service is to compare with, to see whether its photos drift.

    Args:
        path: of the file.
        embedding: of the M images that were learned from.
        labels: their classes.
        ids: their names.
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
