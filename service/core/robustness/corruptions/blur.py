"""Lenses out of focus, and cameras that move."""

import numpy as np
import numpy.typing as npt

from service.core.robustness.corruptions.pixels import Pixels, pixels


def defocus_blur(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Spread each point over a disc with a soft edge; the image is mirrored at its border."""
    radius, edge = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    reach = max(radius, 8)  # ImageNet-C's; at 10 the disc reaches the edge, which is mirrored too
    squares = np.arange(-reach, reach + 1) ** 2
    disc = (squares[:, np.newaxis] + squares <= radius**2).astype(np.float64)
    spread = _softened(disc / disc.sum(), edge)
    mirrored = np.pad(image / 255, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    size = mirrored.shape[:2]
    waves = np.fft.rfft2(mirrored, axes=(0, 1))
    waves *= np.fft.rfft2(spread, size)[..., np.newaxis]
    blurred = np.fft.irfft2(waves, size, axes=(0, 1))
    return pixels(blurred[2 * reach :, 2 * reach :])


def motion_blur(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Move the camera along a line, ever fainter; the image's border is drawn out."""
    radius, deviation = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (steps / deviation) ** 2)
    weights /= weights.sum()
    angle = np.deg2rad(generator.uniform(-45, 45))
    down = np.ceil(steps * np.sin(angle) - 0.5).astype(np.int64)
    across = np.ceil(steps * np.cos(angle) - 0.5).astype(np.int64)
    height, width = image.shape[:2]
    rows, columns = np.arange(height), np.arange(width)
    total = np.zeros(image.shape)
    for weight, dy, dx in zip(weights, down, across, strict=True):
        if abs(dy) >= height or dx >= width:
            break
        seen = np.ix_(np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1))
        total += weight * image[seen]
    return pixels(total / 255)


def zoom_blur(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Move towards the scene: the mean of ever larger images."""
    end, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity - 1]
    factors = np.arange(1, end, step)
    total = image / 255
    for factor in factors:
        larger = _enlarged(_enlarged(image / 255, factor).swapaxes(0, 1), factor).swapaxes(0, 1)
        total[: len(larger), : larger.shape[1]] += larger
    return pixels(total / (len(factors) + 1))


def _enlarged(image: npt.NDArray[np.float64], factor: float) -> npt.NDArray[np.float64]:
    """The middle of the image's rows, so much longer, and no longer than it was."""
    side = len(image)
    kept = int(np.ceil(side / factor))
    places = (side - kept) // 2 + np.linspace(0, kept - 1, round(kept * factor))[:side]
    before = np.minimum(places.astype(np.int64), side - 2)
    share = (places - before).reshape(-1, 1, 1)
    return np.asarray((1 - share) * image[before] + share * image[before + 1])


def _softened(disc: npt.NDArray[np.float64], deviation: float) -> npt.NDArray[np.float64]:
    """The disc under a Gaussian filter, cut off at 4 deviations and mirrored at the border."""
    reach = int(4 * deviation + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights /= weights.sum()
    for _ in range(2):  # along the columns, then along the rows
        padded = np.pad(disc.T, ((0, 0), (reach, reach)), mode="reflect")
        disc = np.stack([np.convolve(line, weights, mode="valid") for line in padded])
    return disc
