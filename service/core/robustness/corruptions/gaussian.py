"""The Gaussian filter."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

Border = Literal["edge", "reflect", "symmetric"]
"""What lies beyond the border, as `numpy.pad` names it."""


def smoothed(
    values: Doubles, deviations: tuple[float, float], *, border: Border, reach: float = 4
) -> Doubles:
    """Smooth along the first two axes.

    Args:
        values: [H, W] or [H, W, C].
        deviations: along each of the two, in pixels; above 0.
        border: see `Border`.
        reach: in deviations, where the filter is cut off.
    """
    for axis, deviation in enumerate(deviations):
        matrix = _matrix(values.shape[axis], deviation, border, reach)
        values = np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)
    return values


def _matrix(side: int, deviation: float, border: Border, reach: float) -> Doubles:
    """The filter as a matrix [side, side], however far beyond the border it reaches."""
    far = int(reach * deviation + 0.5)
    weights = np.exp(-0.5 * (np.arange(-far, far + 1) / deviation) ** 2)
    weights /= weights.sum()
    places = np.pad(np.arange(side), far, mode=border)
    windows = np.lib.stride_tricks.sliding_window_view(places, len(weights))
    matrix = np.zeros((side, side))
    np.add.at(matrix, (np.arange(side)[:, np.newaxis], windows), weights)
    return matrix
