"""What happens to photos anyway: common corruptions, as ImageNet-C defines them.

Hendrycks & Dietterich 2019, "Benchmarking neural network robustness to common corruptions and
perturbations". Of its fifteen, frost is left out: it lays photos of frost over the image.

The package `imagecorruptions-imaug` has all fifteen, and the tests hold these against it.
SeeWhy does without it: it imports OpenCV, which needs a system's libGL, and draws from numpy's
global random state. These need numpy and Pillow alone, as the service does.
"""

from collections.abc import Callable

import numpy as np

from service.core.robustness.corruptions import blur, digital, noise, weather
from service.core.robustness.corruptions.pixels import Pixels

SEVERITIES = (1, 2, 3, 4, 5)

Corruption = Callable[[Pixels, int, np.random.Generator], Pixels]
"""From an image, uint8 [H, W, 3], and a severity to the corrupted image, of the same shape."""


def corrupted(crops: Pixels, name: str, severity: int, *, seed: int) -> Pixels:
    """Corrupt images; each has random numbers of its own, whatever stands beside it.

    Args:
        crops: uint8 [N, H, W, 3], RGB.
        name: one of `CORRUPTIONS`.
        severity: one of `SEVERITIES`.
        seed: of the random numbers; not negative.
    """
    corrupt = CORRUPTIONS[name]
    images = [
        corrupt(crop, severity, np.random.default_rng([seed, row]))
        for row, crop in enumerate(crops)
    ]
    return np.stack(images)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "fog": weather.fog,
    "brightness": weather.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg_compression,
}
