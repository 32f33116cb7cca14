"""How little an image is like those that the model has learned from.

Two scores, both higher the further out of the distribution, and their place among the
scores of held-out images that belong to it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_COMPARED = 512

_PERCENTS = np.arange(101.0)

_TINY = float(np.finfo(np.float64).tiny)

_BLOCK = 2**22
"""Similarities held at a time: 16 MiB, and twice that while they are sorted."""


def energy(logits: npt.NDArray[np.floating]) -> Floats:
    """The free energy: minus a smooth maximum of the logits.

    Liu et al. 2020, "Energy-based out-of-distribution detection", equation 4, at temperature 1
    as in the paper.

    Args:
        logits: [N, K], finite.

    Returns:
        [N], in the logits' units.
    """
    return np.asarray(-np.logaddexp.reduce(np.asarray(logits, dtype=np.float64), axis=1))


def representatives(images: int) -> npt.NDArray[np.int64]:
    """Which of the training images [M] are compared with: all, or 512 of them, evenly spread.

    So the time for an answer has a bound. Sun et al. 2022 (section 4.3) lose next to nothing
    with a hundredth of ImageNet; docs/trust.md has what we lose.
    """
    return np.linspace(0, images - 1, min(images, _COMPARED)).astype(np.int64)


def unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Vectors [N, D] at length 1, as `nearest_neighbour` compares them; zero stays zero."""
    exact = np.asarray(vectors, dtype=np.float64)
    lengths = np.sqrt(np.vecdot(exact, exact))[:, np.newaxis]
    return np.asarray(exact / np.maximum(lengths, _TINY), dtype=np.float32)


def nearest_neighbour(
    embedding: npt.NDArray[np.floating], reference: npt.NDArray[np.float32], k: int
) -> Floats:
    """The distance to the k-th nearest training embedding, all at length 1.

    Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", section 3.
    The search is exhaustive, some images at a time, so that memory stays bounded.

    Args:
        embedding: [N, D], finite, of any length.
        reference: [M, D], the training embeddings after `unit`, made once.
        k: from 1 to M.

    Returns:
        [N], in [0, 2].

    Raises:
        ValueError: k is larger than M.
    """
    images = unit(embedding)
    distances = np.empty(len(images))
    rows = max(1, _BLOCK // len(reference))
    for first in range(0, len(images), rows):
        block = images[first : first + rows]
        found = np.argpartition(block @ reference.T, -k, axis=1)[:, -k]
        # Not from the similarity, whose rounding the root would enlarge near 0.
        apart = block - reference[found]
        distances[first : first + rows] = np.sqrt(np.vecdot(apart, apart))
    return distances


def percentile(score: npt.NDArray[np.floating], quantiles: Sequence[float] | Floats) -> Floats:
    """Where scores lie among those of held-out images, between two quantiles by a line.

    Args:
        score: [N].
        quantiles: [101], the scores' 0th to 100th percentile, not falling.

    Returns:
        [N], in [0, 100]; a score equal to several quantiles takes the highest.
    """
    return np.asarray(np.interp(score, quantiles, _PERCENTS))
