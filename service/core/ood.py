"""How little an image is like those that the model has learned from.

Two scores, both higher the further out of the distribution, and their place among the
scores of held-out images that belong to it. Each is of one image, in few calls: after a run of
the network the code and the numbers of every call come from memory.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_COMPARED = 512

_AXES = 32
"""Directions in which all are compared: a fraction of what whole embeddings read."""

_SPARE = 5
"""More rows are compared in full than neighbours that count, for the axes order them roughly."""

_TINY = float(np.finfo(np.float32).tiny)  # a smaller one would be 0 beside float32


@dataclass(frozen=True, eq=False)
class Compared:
    """The training images that others are compared with.

    Attributes:
        rows: [M], which of the training images they are.
        vectors: float32 [M, D], their embeddings after `unit`.
        axes: float32 [A, D], orthonormal: the directions in which these differ most.
        places: float32 [M, A], the vectors along the axes, at length 1 again: by the angle there
            the nearest are found more often.
    """

    rows: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    places: npt.NDArray[np.float32]


def energy(logits: npt.NDArray[np.floating]) -> float:
    """The free energy: minus a smooth maximum of the logits.

    Liu et al. 2020, "Energy-based out-of-distribution detection", equation 4, at temperature 1
    as in the paper.

    Args:
        logits: [K], finite.

    Returns:
        In the logits' units.
    """
    largest = logits.max()
    below = np.subtract(logits, largest, dtype=np.float64)
    return -float(largest) - math.log(np.exp(below, out=below).sum())


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


def compared(embedding: npt.NDArray[np.floating]) -> Compared:
    """Prepare, once for a bundle, what images are compared with.

    Args:
        embedding: [M, D], finite, of the images that the model has learned from.
    """
    rows = representatives(len(embedding))
    vectors = unit(embedding[rows])
    _, _, directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    axes = np.ascontiguousarray(directions[:_AXES])
    return Compared(rows, vectors, axes, unit(vectors @ axes.T))


def nearest_neighbour(embedding: npt.NDArray[np.floating], compared: Compared, k: int) -> float:
    """The distance to the k-th nearest training embedding, all at length 1.

    Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", section 3.
    The axes tell which are worth a comparison in full, for after a run of the network nothing
    of them is in a cache. Where D is at most 32 this misses none; else one that it misses is
    hardly nearer than the one that is found (docs/trust.md).

    Args:
        embedding: [D], finite, of any length.
        compared: from `compared`.
        k: from 1 to M.

    Returns:
        From 0 to 2, within 0.001; 1 for an embedding of zeros.

    Raises:
        IndexError: k is larger than M.
    """
    # By few functions, whose code comes from memory, too; `dot` for `@`, which looks for longer.
    square = float(embedding.dot(embedding))
    if not _TINY < square < math.inf:  # float32 cannot hold it
        (embedding,) = unit(embedding[np.newaxis])
        square = float(embedding.dot(embedding))
        if not square:
            return 1.0
    apparent = compared.places.dot(compared.axes.dot(embedding))
    found = []
    for _ in range(min(k + _SPARE, len(apparent))):
        row = apparent.argmax()
        apparent[row] = -math.inf
        found.append(float(compared.vectors[row].dot(embedding)))
    found.sort()
    return math.sqrt(max(0.0, 2 - 2 * found[-k] / math.sqrt(square)))


def percentile(score: float, quantiles: Sequence[float]) -> float:
    """Where a score lies among those of held-out images, between two quantiles by a line.

    Without arrays, which cost an answer more.

    Args:
        score: of one image.
        quantiles: [101], the scores' 0th to 100th percentile, not falling.

    Returns:
        From 0 to 100; a score equal to several quantiles takes the highest.
    """
    above = bisect_right(quantiles, score)
    if above == 0:
        return 0.0
    if above == len(quantiles):
        return 100.0
    lower, upper = quantiles[above - 1], quantiles[above]
    return above - 1 + (score - lower) / (upper - lower)
