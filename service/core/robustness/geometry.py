"""Photos that are held askew, or whose object is off the centre.

What comes into view at the border mirrors the image: black there would be a corruption of its
own.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from service.core.robustness.bilinear import mirrored, sampled

ANGLES = tuple(range(-30, 31, 10))
"""In degrees; as far as Engstrom et al. 2019 turn photos."""

SHIFTS = (-0.1, -0.05, 0.0, 0.05, 0.1)
"""In shares of the side; about as far as they shift them."""


class Axis(IntEnum):
    """The axis of [N, H, W, 3] along which an image is shifted."""

    VERTICAL = 1
    HORIZONTAL = 2


def rotated(crops: npt.NDArray[np.uint8], angle: float) -> npt.NDArray[np.uint8]:
    """Turn images about their centre, interpolating linearly.

    Args:
        crops: uint8 [N, H, W, 3].
        angle: in degrees, counter-clockwise.
    """
    height, width = crops.shape[1:3]
    turn = np.deg2rad(angle)
    down, across = np.mgrid[:height, :width].astype(np.float64)
    down -= (height - 1) / 2
    across -= (width - 1) / 2
    rows = np.cos(turn) * down + np.sin(turn) * across + (height - 1) / 2
    columns = np.cos(turn) * across - np.sin(turn) * down + (width - 1) / 2
    turned = sampled(crops, rows, columns, mirrored)
    return np.asarray(np.rint(turned), dtype=np.uint8)


def shifted(crops: npt.NDArray[np.uint8], share: float, axis: Axis) -> npt.NDArray[np.uint8]:
    """Shift images by whole pixels, so that nothing but the position changes.

    Args:
        crops: uint8 [N, H, W, 3].
        share: of the side's length; positive is down, or to the right.
        axis: along which to shift.
    """
    side = crops.shape[axis]
    pixels = round(share * side)
    reach = abs(pixels)
    places = np.pad(np.arange(side), reach, mode="reflect")
    return crops.take(places[reach - pixels :][:side], axis=axis)
