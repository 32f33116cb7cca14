"""Maps and images made larger or blurred, along one axis after the other."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.core.network import Floats

Matrix = npt.NDArray[np.float64]

_NEGLIGIBLE = 1e-8
"""Of a frequency's power beside the strongest: less than float32 can tell."""


def enlarge(maps: npt.NDArray[np.floating], size: tuple[int, ...]) -> Floats:
    """Resize maps [N, h, w] bilinearly to [N, H, W], samples lying at pixel centres."""
    height, width = size
    down = _interpolation(maps.shape[1], height)
    across = _interpolation(maps.shape[2], width)
    return np.asarray(np.matmul(down @ maps, across.T, dtype=np.float32))


def blur(images: npt.NDArray[np.floating], sigma: float) -> Floats:
    """Gaussian blur of [..., H, W]; at the edges the weights inside are made to sum to 1."""
    down, across = (_gaussian(side, sigma, images.dtype) for side in images.shape[-2:])
    frequencies = down.analysis @ images @ across.analysis.T
    return np.asarray(down.synthesis @ frequencies @ across.synthesis.T, dtype=np.float32)


def enlarge_and_blur(
    coarse: npt.NDArray[np.floating], size: tuple[int, ...], sigma: float
) -> Floats:
    """`enlarge` [h, w] to [H, W] and `blur` that, in one product along each axis."""
    down, across = (
        _blurred_interpolation(old, new, sigma) for old, new in zip(coarse.shape, size, strict=True)
    )
    return np.asarray(down @ coarse.astype(np.float32) @ across.T)


# Most maps are of one size, and to make these matrices takes longer than to use them.
@lru_cache(maxsize=16)
def _interpolation(old: int, new: int) -> Matrix:
    """The matrix [new, old] that interpolates linearly between pixel centres."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    distances = np.abs(centres[:, np.newaxis] - np.arange(old))
    return np.maximum(0.0, 1.0 - distances)


@lru_cache(maxsize=16)
def _blurred_interpolation(old: int, new: int, sigma: float) -> Floats:
    """The matrix [new, old] that interpolates and then blurs."""
    gaussian = _gaussian(new, sigma, np.dtype(np.float64))
    product = gaussian.synthesis @ (gaussian.analysis @ _interpolation(old, new))
    return np.asarray(product, dtype=np.float32)


class _Gaussian(NamedTuple):
    """A blur along one axis as the product `synthesis` [side, r] times `analysis` [r, side]."""

    synthesis: npt.NDArray[np.floating]
    analysis: npt.NDArray[np.floating]


@lru_cache(maxsize=16)
def _gaussian(side: int, sigma: float, dtype: np.dtype[np.floating]) -> _Gaussian:
    """A blur keeps few frequencies: r is 42 for a side of 224 and a sigma of 5% of it."""
    distances = np.subtract.outer(np.arange(side), np.arange(side))
    weights = np.exp(-0.5 * (distances / sigma) ** 2)
    powers, waves = np.linalg.eigh(weights)
    kept = powers > _NEGLIGIBLE * powers[-1]
    powers, waves = powers[kept], waves[:, kept]
    synthesis = waves * powers / weights.sum(axis=1, keepdims=True)
    return _Gaussian(synthesis.astype(dtype), waves.T.astype(dtype))
