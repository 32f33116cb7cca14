"""What a camera sees that moves along a line, or towards the scene."""

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


def along_a_line(image: Doubles, radius: int, deviation: float, degrees: float) -> Doubles:
    """The weighted mean of what is seen on the way, ever fainter; the border is drawn out.

    Args:
        image: [H, W] or [H, W, C].
        radius: half the way, in pixels.
        deviation: of the weights, a Gaussian's half, in pixels.
        degrees: of the way, clockwise from the right.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (steps / deviation) ** 2)
    weights /= weights.sum()
    angle = np.deg2rad(degrees)
    down = np.ceil(steps * np.sin(angle) - 0.5).astype(np.int64)
    across = np.ceil(steps * np.cos(angle) - 0.5).astype(np.int64)
    height, width = image.shape[:2]
    rows, columns = np.arange(height), np.arange(width)
    total = np.zeros(image.shape)
    for weight, dy, dx in zip(weights, down, across, strict=True):
        if abs(dy) >= height or abs(dx) >= width:
            break
        seen = np.ix_(np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1))
        total += weight * image[seen]
    return total


def nearer(image: Doubles, factor: float) -> Doubles:
    """The middle of an image [H, W, C], so much larger: about [H, W, C] again, never less."""
    return _longer(_longer(image, factor).swapaxes(0, 1), factor).swapaxes(0, 1)


def _longer(image: Doubles, factor: float) -> Doubles:
    """The middle of the image's rows, so much longer."""
    side = len(image)
    kept = int(np.ceil(side / factor))
    places = (side - kept) // 2 + np.linspace(0, kept - 1, round(kept * factor))
    before = np.minimum(places.astype(np.int64), side - 2)
    share = (places - before).reshape(-1, 1, 1)
    return np.asarray((1 - share) * image[before] + share * image[before + 1])
