"""Images as whole levels."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def pixels(values: npt.NDArray[np.floating]) -> Pixels:
    """Values that are meant for [0, 1] as whole levels, rounded down as ImageNet-C does."""
    return np.asarray(np.clip(values, 0, 1) * 255, dtype=np.uint8)
