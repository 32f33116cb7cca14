"""Images that show the same: copies, and the same photo saved or scaled anew."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BLOCK = 512
"""Rows compared with all others at a time; 20,000 images then take about 100 MB."""


NEAR = 8
"""Bits of 256 in which near-duplicates may differ.

Among photos of flowers and of insects, pairs differ in 4 bits at most or in more than 32.
Grey textures are alike without being copies: from 16 bits on, images that share no more
than a kind of surface fall into one group.
"""


def groups(hashes: npt.NDArray[np.uint8], *, distance: int = NEAR) -> npt.NDArray[np.int64]:
    """Number images so that near-duplicates, and theirs in turn, share a number.

    Args:
        hashes: uint8 [N, B], perceptual hashes of 8 B bits.
        distance: near-duplicates differ in at most so many bits.

    Returns:
        int64 [N], from 0.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64)
    rows, columns = [], []
    for start in range(0, len(words), BLOCK):
        block = words[start : start + BLOCK]
        apart = np.zeros((len(block), len(words)), dtype=np.uint16)
        for word in range(words.shape[1]):
            apart += np.bitwise_count(block[:, word, np.newaxis] ^ words[:, word])
        row, column = np.nonzero(apart <= distance)
        rows.append(row + start)
        columns.append(column)
    where = (np.concatenate(rows), np.concatenate(columns))
    near = coo_array((np.ones(len(where[0]), dtype=bool), where), shape=(len(words), len(words)))
    _, numbers = connected_components(near, directed=False)
    return np.asarray(numbers, dtype=np.int64)


def conflicts(groups: npt.NDArray[np.int64], labels: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The rows of each group of near-duplicates that do not all have one label.

    Args:
        groups: int64 [N], a number that near-duplicates share.
        labels: each image's, N of them.
    """
    members: dict[int, list[int]] = {}
    for row, number in enumerate(groups.tolist()):
        members.setdefault(number, []).append(row)
    return tuple(tuple(rows) for rows in members.values() if len({labels[row] for row in rows}) > 1)
