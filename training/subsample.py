"""Which of many images stand for all where a measurement takes long."""

import numpy as np
import numpy.typing as npt

IMAGES = 64
"""They place a share of right answers to within 12 percentage points (95% interval)."""


def subsample(total: int, *, most: int = IMAGES, seed: int) -> npt.NDArray[np.int64]:
    """The rows of at most `most` of `total` images, drawn without replacement, in rising order."""
    drawn = np.random.default_rng(seed).permutation(total)[:most]
    return np.sort(drawn)
