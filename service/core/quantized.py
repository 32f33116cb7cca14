"""Nearest neighbours among very many vectors: from codes of a few bytes to a short list of rows.

The vectors are turned to their principal axes, and pairs of axes are coded by one of 16 centroids
each (Jégou et al. 2011, "Product quantization for nearest neighbor search"; André et al. 2017 for
the search in registers). Who asks compares the short list exactly.
"""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from models.errors import NotInstalled
from service.core import ood

AXES = 64

SHORT = 500
"""Rows in the list, at least: the codes alone would order the nearest few wrongly."""

PER_NEIGHBOUR = 20

_LEARNED_FROM = 16_384
"""Vectors that axes and centroids are learned from; 1,024 for each centroid of a pair."""

_BLOCK = 16_384
"""Vectors that are made float32 at a time."""


def is_installed() -> bool:
    """Whether faiss, which is optional, is there."""
    return find_spec("faiss") is not None


def require() -> None:
    """Have it there.

    Raises:
        NotInstalled: it is not.
    """
    if not is_installed():
        raise NotInstalled(
            "similar images are searched by quantized embeddings, which needs faiss: "
            "pip install 'seewhy[retrieval]', or set SEEWHY_SIMILAR_SEARCH=exact"
        )


def candidates(
    embedding: npt.NDArray[np.floating],
) -> Callable[[npt.NDArray[np.float32], int], npt.NDArray[np.int64]]:
    """Learn the codes; 120,000 vectors of 1,280 numbers take a few seconds.

    Args:
        embedding: [M, D], finite, of any length; more than `SHORT`.

    Returns:
        from an image [D] at length 1, and how many neighbours are wanted, to the rows that are
        worth a comparison: 20 for each, 500 at least, all if there are fewer.
    """
    import faiss  # noqa: PLC0415  # an optional part

    images, size = embedding.shape
    pairs = max(1, min(AXES, size) // 2)
    codes = faiss.index_factory(size, f"PCA{min(2 * pairs, size)},PQ{pairs}x4fs")
    learned = np.linspace(0, images - 1, min(images, _LEARNED_FROM)).astype(np.int64)
    codes.train(ood.unit(embedding[learned]))
    for first in range(0, images, _BLOCK):
        codes.add(ood.unit(embedding[first : first + _BLOCK]))

    def find(image: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
        short = min(max(SHORT, PER_NEIGHBOUR * count), images)
        _, (rows,) = codes.search(image[np.newaxis], short)
        return np.asarray(rows[rows >= 0], dtype=np.int64)

    return find
