"""Noise of single pixels."""

import numpy as np

from service.core.robustness.corruptions.pixels import Pixels, pixels


def gaussian_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Noise as in dim light."""
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    return pixels(image / 255 + generator.normal(scale=deviation, size=image.shape))


def shot_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Few photons: Poisson noise."""
    photons = (60, 25, 12, 5, 3)[severity - 1]
    return pixels(generator.poisson(image / 255 * photons) / photons)


def impulse_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Broken bits: some values black or white."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    broken, white = generator.random(image.shape) <= share, generator.random(image.shape) <= 1 / 2
    return np.where(broken, np.where(white, 255, 0), image).astype(np.uint8)
