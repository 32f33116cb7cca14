"""Lenses out of focus or behind frosted glass, and cameras that move."""

import numpy as np

from service.core.robustness.corruptions.gaussian import smoothed
from service.core.robustness.corruptions.motion import along_a_line, nearer
from service.core.robustness.corruptions.pixels import Pixels, pixels


def defocus_blur(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Spread each point over a disc with a soft edge; the image is mirrored at its border."""
    radius, edge = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    reach = max(radius, 8)  # ImageNet-C's; at 10 the disc reaches the edge, which is mirrored too
    squares = np.arange(-reach, reach + 1) ** 2
    disc = (squares[:, np.newaxis] + squares <= radius**2).astype(np.float64)
    spread = smoothed(disc / disc.sum(), (edge, edge), border="reflect")
    mirrored = np.pad(image / 255, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    size = mirrored.shape[:2]
    waves = np.fft.rfft2(mirrored, axes=(0, 1))
    waves *= np.fft.rfft2(spread, size)[..., np.newaxis]
    blurred = np.fft.irfft2(waves, size, axes=(0, 1))
    return pixels(blurred[2 * reach :, 2 * reach :])


def glass_blur(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """See through frosted glass: pixels stand where one nearby should."""
    deviation, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[
        severity - 1
    ]
    spread = (deviation, deviation)
    height, width, channels = image.shape
    rows = np.arange(height - reach, reach, -1)[:, np.newaxis]
    columns = np.arange(width - reach, reach, -1)
    places = (rows * width + columns).ravel()
    order = list(range(height * width))
    for _ in range(times):
        across, down = generator.integers(-reach, reach, size=(len(places), 2)).T
        # ImageNet-C means to swap two pixels, but its swap of two views copies one; one after
        # the other, as what is copied may be a copy.
        for place, source in zip(
            places.tolist(), (places + down * width + across).tolist(), strict=True
        ):
            order[place] = order[source]
    blurred = pixels(smoothed(image / 255, spread, border="edge"))
    shuffled = blurred.reshape(-1, channels)[order].reshape(image.shape)
    return pixels(smoothed(shuffled / 255, spread, border="edge"))


def motion_blur(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Move the camera along a line."""
    radius, deviation = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    moved = along_a_line(image.astype(np.float64), radius, deviation, generator.uniform(-45, 45))
    return pixels(moved / 255)


def zoom_blur(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Move towards the scene: the mean of ever larger images."""
    end, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity - 1]
    factors = np.arange(1, end, step)
    height, width = image.shape[:2]
    total = image / 255
    for factor in factors:
        seen = nearer(image / 255, factor)[:height, :width]
        total[: len(seen), : seen.shape[1]] += seen
    return pixels(total / (len(factors) + 1))
