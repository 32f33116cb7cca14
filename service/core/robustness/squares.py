"""What the square attack tries: squares of one colour in Linf, in L2 two opposite bumps in one.

Andriushchenko et al. 2020, "Square attack", sections 3.2 and 3.3. Every perturbation is as long
as its ball allows, but for what is clipped to [0, 1]. Images are float32 [N, 3, H, W] in [0, 1],
and eps [N] are in the pixels' units.
"""

import numpy as np
import numpy.typing as npt

from service.core.network import Floats
from service.core.robustness.norms import Norm, column, project, steepest

_TILES = 5
"""In L2 so many bumps begin beside each other along each side."""

_TINY = 1e-12

_Window = tuple[slice, slice, slice]


def start(images: Floats, norm: Norm, eps: Floats, generator: np.random.Generator) -> Floats:
    """Vertical stripes in Linf, a grid of bumps in L2."""
    count, channels, height, width = images.shape
    if norm is Norm.LINF:
        change = _signs(generator, (count, channels, 1, width))
    else:
        side = max(min(height, width) // _TILES, 1)
        change = np.zeros_like(images)
        for top in range((height % side) // 2, height - side + 1, side):
            for left in range((width % side) // 2, width - side + 1, side):
                signs = _signs(generator, (count, channels, 1, 1))
                bump = _turned(_bumps(side), generator)
                change[:, :, top : top + side, left : left + side] = signs * bump
        change = steepest(change, norm)
    return np.clip(images + column(eps) * change, 0, 1)


def changed(
    best: Floats,
    images: Floats,
    norm: Norm,
    eps: Floats,
    *,
    share: float,
    generator: np.random.Generator,
) -> Floats:
    """Change a square of each image, at a place of its own.

    Args:
        best: the perturbed images so far.
        images: as they were.
        norm: of the ball.
        eps: its radius.
        share: of the image's area that the square has.
        generator: of places and signs.
    """
    count, channels, height, width = images.shape
    side = max(round(np.sqrt(share * height * width)), 1)
    if norm is Norm.L2:
        side = max(side, 3) | 1  # odd, so that a bump has a middle
    side = min(side, height, width)
    signs = _signs(generator, (count, channels, 1, 1))
    here, there = (_windows(count, (height, width), side, generator) for _ in range(2))
    tried, bumps = best.copy(), _bumps(side)
    for row in range(count):
        image, window = images[row], here[row]
        if norm is Norm.LINF:
            tried[row][window] = np.clip(image[window] + eps[row] * signs[row], 0, 1)
        else:
            bump = signs[row] * _turned(bumps, generator)
            tried[row] = image + _gathered(best[row] - image, (window, there[row]), bump, eps[row])
    return tried if norm is Norm.LINF else project(tried, images, norm, eps)


def _gathered(
    change: Floats, windows: tuple[_Window, _Window], bump: Floats, eps: np.floating
) -> Floats:
    """A bump is added in the first window, and has the length of both (algorithm 3).

    What the ball leaves unused, as pixels were clipped, is spent there too.
    """
    window, emptied = windows
    kept = change.copy()
    kept[window] = kept[emptied] = 0
    lengths, rest = (np.square(each, dtype=np.float64).sum(axis=(1, 2)) for each in (change, kept))
    unused = max(float(eps) ** 2 - lengths.sum(), 0.0)
    available = np.sqrt(lengths - rest + unused / len(change))
    kept[window] = _unit(bump + _unit(change[window])) * available[:, np.newaxis, np.newaxis]
    return kept


def _bumps(side: int) -> Floats:
    """Two bumps of opposite signs, one above the other (equation 2): [side, side] of length 1."""
    upper, lower = side // 2, side - side // 2
    halves = np.concatenate([_bump(upper, side), -_bump(lower, side)])
    return np.asarray(_unit(halves[np.newaxis])[0])


def _bump(height: int, width: int) -> Floats:
    """Falls off from the middle as the sum of 1 / k^2 over the rings around it."""
    rows, columns = (np.abs(np.arange(side) - side // 2) for side in (height, width))
    rings = np.maximum.outer(rows, columns)
    terms = 1 / np.arange(1, max(height, width) // 2 + 2, dtype=np.float64) ** 2
    falling = terms[::-1].cumsum()[::-1]
    return np.asarray(_unit(falling[rings][np.newaxis])[0])


def _turned(bumps: Floats, generator: np.random.Generator) -> Floats:
    """As they are, or side by side."""
    return bumps.T if generator.random() < 1 / 2 else bumps


def _unit(channels: npt.NDArray[np.floating]) -> Floats:
    """Each channel of [C, h, w] at length 1; zero where it is zero."""
    lengths = np.sqrt(np.square(channels, dtype=np.float64).sum(axis=(1, 2), keepdims=True))
    return np.asarray(channels / np.maximum(lengths, _TINY), dtype=np.float32)


def _windows(
    count: int, size: tuple[int, int], side: int, generator: np.random.Generator
) -> list[_Window]:
    """A square of each image, anywhere in it."""
    places: npt.NDArray[np.int64] = generator.integers(
        np.array(size) - side + 1, size=(count, 2), dtype=np.int64
    )
    return [np.s_[:, top : top + side, left : left + side] for top, left in places.tolist()]


def _signs(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return generator.integers(0, 2, shape, dtype=np.int8).astype(np.float32) * 2 - 1
