"""What happens to photos anyway: common corruptions, as ImageNet-C defines them.

Hendrycks & Dietterich 2019, "Benchmarking neural network robustness to common corruptions and
perturbations". Of its fifteen these are what a camera and an upload do, and each is defined at
any size: noise in dim light, a lens out of focus, too much light, too little contrast, and a
JPEG of low quality.

The package `imagecorruptions-imaug` has all fifteen, and the tests hold these against it.
SeeWhy does without it: it imports OpenCV, which needs a system's libGL, and draws from numpy's
global random state. These need numpy and Pillow alone, as the service does.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

SEVERITIES = (1, 3, 5)
"""Of the five that ImageNet-C has."""

Pixels = npt.NDArray[np.uint8]
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


def _gaussian_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    deviation = {1: 0.08, 3: 0.18, 5: 0.38}[severity]
    return _pixels(image / 255 + generator.normal(scale=deviation, size=image.shape))


def _defocus_blur(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Spread each point over a disc with a soft edge; the image is mirrored at its border."""
    radius, edge = {1: (3, 0.1), 3: (6, 0.5), 5: (10, 0.5)}[severity]
    reach = max(radius, 8)  # ImageNet-C's; at 10 the disc reaches the edge, which is mirrored too
    squares = np.arange(-reach, reach + 1) ** 2
    disc = (squares[:, np.newaxis] + squares <= radius**2).astype(np.float64)
    spread = _softened(disc / disc.sum(), edge)
    mirrored = np.pad(image / 255, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    size = mirrored.shape[:2]
    waves = np.fft.rfft2(mirrored, axes=(0, 1))
    waves *= np.fft.rfft2(spread, size)[..., np.newaxis]
    blurred = np.fft.irfft2(waves, size, axes=(0, 1))
    return _pixels(blurred[2 * reach :, 2 * reach :])


def _softened(disc: npt.NDArray[np.float64], deviation: float) -> npt.NDArray[np.float64]:
    """The disc under a Gaussian filter, cut off at 4 deviations and mirrored at the border."""
    reach = int(4 * deviation + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights /= weights.sum()
    for _ in range(2):  # along the columns, then along the rows
        padded = np.pad(disc.T, ((0, 0), (reach, reach)), mode="reflect")
        disc = np.stack([np.convolve(line, weights, mode="valid") for line in padded])
    return disc


def _brightness(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Raise the value of hue, saturation and value."""
    colours = image / 255
    value = colours.max(axis=2, keepdims=True)
    raised = np.minimum(value + {1: 0.1, 3: 0.3, 5: 0.5}[severity], 1)
    # With hue and saturation as they are, the channels keep their ratios; black has none.
    scaled = colours * (raised / np.where(value > 0, value, 1))
    return _pixels(np.where(value > 0, scaled, raised))


def _contrast(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Draw every pixel towards the image's mean colour."""
    mean = (image / 255).mean(axis=(0, 1))
    return _pixels((image / 255 - mean) * {1: 0.4, 3: 0.2, 5: 0.05}[severity] + mean)


def _jpeg_compression(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    jpeg = BytesIO()
    Image.fromarray(image).save(jpeg, "JPEG", quality={1: 25, 3: 15, 5: 7}[severity])
    return np.asarray(Image.open(jpeg))


def _pixels(values: npt.NDArray[np.floating]) -> Pixels:
    """Values that are meant for [0, 1] as whole levels, rounded down as ImageNet-C does."""
    return np.asarray(np.clip(values, 0, 1) * 255, dtype=np.uint8)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": _gaussian_noise,
    "defocus_blur": _defocus_blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "jpeg_compression": _jpeg_compression,
}
