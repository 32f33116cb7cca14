"""Gaussian noise around an image, drawn where the graphs run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Draw = Callable[[int], Any]
"""From a number N to N noisy images [N, 3, H, W], float32, not clipped: an array, or one that a
device holds, which the graphs of the same bundle take as it is. Each call goes on where the last
one ended."""

Noise = Callable[[npt.NDArray[np.float32], float, int], Draw]
"""From an image [3, H, W], a standard deviation and a seed to what draws; raises what a `Runner`
does. One seed makes the same images again on the same kind of device, in the same batches."""


def on_host(image: npt.NDArray[np.float32], sigma: float, seed: int) -> Draw:
    """Draw in NumPy; see `Noise`."""
    generator = np.random.default_rng(seed)

    def draw(count: int) -> npt.NDArray[np.float32]:
        noisy = generator.standard_normal((count, *image.shape), dtype=np.float32)
        noisy *= np.float32(sigma)
        noisy += image
        return noisy

    return draw
