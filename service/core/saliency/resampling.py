"""Maps and images made larger or blurred, along one axis after the other."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from service.core.network import Floats

Matrix = npt.NDArray[np.float64]


def enlarge(maps: npt.NDArray[np.floating], size: tuple[int, ...]) -> Floats:
    """Resize maps [N, h, w] bilinearly to [N, H, W], samples lying at pixel centres."""
    height, width = size
    down = interpolation(maps.shape[1], height)
    across = interpolation(maps.shape[2], width)
    return np.asarray(down @ maps @ across.T, dtype=np.float32)


def blur(images: npt.NDArray[np.floating], sigma: float) -> Floats:
    """Gaussian blur of [..., H, W]; at the edges the weights inside are made to sum to 1."""
    down, across = (_gaussian(side, sigma) for side in images.shape[-2:])
    return np.asarray(down @ images @ across.T, dtype=np.float32)


def interpolation(old: int, new: int) -> Matrix:
    """The matrix [new, old] that interpolates linearly between pixel centres."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    distances = np.abs(centres[:, np.newaxis] - np.arange(old))
    return np.maximum(0.0, 1.0 - distances)


@lru_cache(maxsize=16)  # most maps are of one size, and to make this takes longer than to use it
def _gaussian(side: int, sigma: float) -> Matrix:
    distances = np.subtract.outer(np.arange(side), np.arange(side))
    weights = np.exp(-0.5 * (distances / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
