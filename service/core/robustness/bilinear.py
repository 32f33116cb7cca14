"""Images seen at places between their pixels, and beyond their borders."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

Beyond = Callable[[Indices, int], Indices]
"""From indices along an axis of so many pixels, which may lie beyond them, to those within."""


def sampled(images: npt.NDArray[Any], rows: Doubles, columns: Doubles, beyond: Beyond) -> Doubles:
    """Interpolate linearly.

    Args:
        images: [N, H, W, C], of any dtype.
        rows: where to look, [h, w].
        columns: of the same shape.
        beyond: what is seen past the border.

    Returns:
        float64 [N, h, w, C].
    """
    height, width = images.shape[1:3]
    top, left = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    found = np.zeros((len(images), *rows.shape, images.shape[3]))
    for row, column in product((top, top + 1), (left, left + 1)):
        weight = (1 - np.abs(rows - row)) * (1 - np.abs(columns - column))
        seen = images[:, beyond(row, height), beyond(column, width)]
        found += weight[..., np.newaxis] * seen
    return found


def mirrored(indices: Indices, side: int) -> Indices:
    """The image, mirrored at the centre of its last pixel."""
    period = max(2 * side - 2, 1)
    within = np.abs(indices) % period
    return np.asarray(np.minimum(within, period - within))


def repeated(indices: Indices, side: int) -> Indices:
    """The image, mirrored at the edge of its last pixel, which is there twice."""
    within = indices % (2 * side)
    return np.asarray(np.minimum(within, 2 * side - 1 - within))
