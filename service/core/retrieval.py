"""The training images that are most like an image: an explanation by example."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.reference import Reference
from service.core import ood


@dataclass(frozen=True, eq=False)
class Index:
    """The M images that a model has learned from.

    Attributes:
        vectors: float32 [M, D], their embeddings after `ood.unit`.
        labels: int64 [M], indices of their classes.
        ids: [M], their names.
    """

    vectors: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    ids: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Neighbour:
    """A training image, its class, and its distance by embeddings at length 1, in [0, 2].

    `row` is its place among the images that were learned from.
    """

    row: int
    id: str
    index: int
    distance: float


def index(reference: Reference) -> Index:
    """Prepare, once for a bundle, what is searched."""
    return Index(ood.unit(reference.embedding), reference.labels, reference.ids)


def nearest(index: Index, embedding: npt.NDArray[np.floating], count: int) -> tuple[Neighbour, ...]:
    """The nearest training images, nearest first; all of them are looked at.

    Args:
        index: what to search.
        embedding: [D], finite, of any length.
        count: how many, at least 1; fewer are found where there are fewer.
    """
    (image,) = ood.unit(embedding[np.newaxis])
    count = min(count, len(index.vectors))
    rows = np.argpartition(index.vectors @ image, -count)[-count:]
    # Not from the similarity, whose rounding the root would enlarge near 0.
    distances = np.linalg.norm(index.vectors[rows] - image, axis=1)
    order = np.lexsort((rows, distances))
    return tuple(
        Neighbour(int(row), str(index.ids[row]), int(index.labels[row]), float(distance))
        for row, distance in zip(rows[order], distances[order], strict=True)
    )
