"""The training images that are most like an image: an explanation by example."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from models.reference import Reference
from service.core import ood, quantized

logger = logging.getLogger(__name__)

EXACT_UP_TO = 100_000
"""Images that are all looked at for an answer, unless the search says otherwise."""

_BLOCK = 4096
"""Vectors whose length is made 1 at a time, in float64."""


class Search(StrEnum):
    """How the nearest images are found; `auto`: exactly among 100,000, or without faiss."""

    AUTO = "auto"
    EXACT = "exact"
    QUANTIZED = "quantized"


Candidates = Callable[[npt.NDArray[np.float32], int], npt.NDArray[np.int64]]
"""From an image [D] at length 1 and a count to the rows that are worth a comparison."""


@dataclass(frozen=True, eq=False)
class Index:
    """The M images that a model has learned from.

    Attributes:
        images: their embeddings, classes and names.
        candidates: which of them may be the nearest: as many as wanted or more, or all.
    """

    images: Reference
    candidates: Candidates


@dataclass(frozen=True)
class Neighbour:
    """A training image, its class, and its distance by embeddings at length 1, in [0, 2].

    `row` is its place among the images that were learned from.
    """

    row: int
    id: str
    index: int
    distance: float


def settle(search: Search, images: int) -> Search:
    """Whether so many images are searched exactly, or by quantized embeddings.

    A search by quantized embeddings looks at all images where they are no more than its short list.

    Raises:
        NotInstalled: the search that was asked for needs faiss, which is not there.
    """
    if search is Search.QUANTIZED:
        quantized.require()
        return Search.QUANTIZED if images > quantized.SHORT else Search.EXACT
    if search is Search.EXACT or images <= EXACT_UP_TO:
        return Search.EXACT
    if not quantized.is_installed():
        logger.warning(
            "all %d training images are looked at for every similar one: "
            "pip install 'seewhy[retrieval]' has what searches so many quickly",
            images,
        )
        return Search.EXACT
    return Search.QUANTIZED


def index(images: Reference, search: Search) -> Index:
    """Prepare, once for a bundle, what is searched.

    Args:
        images: what the model has learned from.
        search: from `settle`.
    """
    if search is Search.QUANTIZED:
        return Index(images, quantized.candidates(images.embedding))
    return Index(images, _exhaustive(images.embedding))


def nearest(index: Index, embedding: npt.NDArray[np.floating], count: int) -> tuple[Neighbour, ...]:
    """The nearest training images among the candidates, nearest first.

    Args:
        index: what to search.
        embedding: [D], finite, of any length.
        count: how many, at least 1; fewer are found where there are fewer.
    """
    (image,) = ood.unit(embedding[np.newaxis])
    rows, images = index.candidates(image, count), index.images
    # Not from the similarity, whose rounding the root would enlarge near 0.
    distances = np.linalg.norm(ood.unit(images.embedding[rows]) - image, axis=1)
    order = np.lexsort((rows, distances))[:count]
    return tuple(
        Neighbour(int(row), str(images.ids[row]), int(images.labels[row]), float(distance))
        for row, distance in zip(rows[order], distances[order], strict=True)
    )


def _exhaustive(embedding: npt.NDArray[np.floating]) -> Candidates:
    vectors = np.empty(embedding.shape, dtype=np.float32)
    for first in range(0, len(vectors), _BLOCK):
        vectors[first : first + _BLOCK] = ood.unit(embedding[first : first + _BLOCK])

    def find(image: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
        count = min(count, len(vectors))
        return np.argpartition(vectors @ image, -count)[-count:]

    return find
