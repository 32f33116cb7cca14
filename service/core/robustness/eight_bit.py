"""An adversarial image as an image file holds it: whole levels of 8 bits."""

import numpy as np
import numpy.typing as npt

from service.core.network import Floats
from service.core.robustness.norms import Norm, length

_ROUNDING = 1e-4
"""Of a level: what float32 adds to an eps that is meant to be whole levels."""


def to_levels(
    image: Floats, crop: npt.NDArray[np.uint8], norm: Norm, eps: float | None = None
) -> npt.NDArray[np.uint8]:
    """The 8-bit image next to an adversarial one that is still within the ball.

    Each pixel takes its nearest level. Where that leaves the ball, the change is rounded
    towards zero instead, which never does.

    Args:
        image: float32 [3, H, W] in [0, 1], within the ball.
        crop: uint8 [H, W, 3], the ball's centre.
        norm: of the ball.
        eps: its radius in the pixels' units, where it has one.

    Returns:
        uint8 [H, W, 3].
    """
    change = np.ascontiguousarray(image.transpose(1, 2, 0)) * np.float32(255) - crop
    nearest: npt.NDArray[np.uint8] = (crop + np.rint(change)).astype(np.uint8)
    if eps is None or distance(nearest, crop, norm) <= eps + _ROUNDING / 255:
        return nearest
    inwards = np.trunc(change + np.sign(change) * _ROUNDING)
    return np.asarray(crop + inwards, dtype=np.uint8)


def distance(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], norm: Norm) -> float:
    """How far two crops are apart, in units of [0, 1]."""
    levels = np.subtract(one, other, dtype=np.float32)
    return float(length(levels[np.newaxis], norm)[0]) / 255
