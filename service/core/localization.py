"""Where in the photo a saliency map's mass lies, as a box."""

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]

_BACKGROUND = 0.2
_MASS = 0.9


def mass_box(saliency: npt.NDArray[np.floating]) -> Box | None:
    """The box around a map's mass.

    What lies below 20% of the largest value counts as background (as in Zhou et al. 2016,
    "Learning deep features for discriminative localization"). Of what is left, the box
    spans the central 90% along each axis, so that a few stray pixels do not stretch it.

    Args:
        saliency: [H, W], not negative.

    Returns:
        (left, top, right, bottom) in the map's pixels, whole numbers, right and bottom
        just outside the box; None where the map is zero everywhere.
    """
    values = np.asarray(saliency, dtype=np.float64)
    if not values.any():
        return None
    kept = np.where(values >= _BACKGROUND * values.max(), values, 0.0)
    left, right = _central_span(kept.sum(axis=0))
    top, bottom = _central_span(kept.sum(axis=1))
    return (left, top, right, bottom)


def to_photo(box: Box, map_shape: tuple[int, ...], crop: Box) -> Box:
    """A box in a map's pixels as a box in the photo's pixels.

    Args:
        box: (left, top, right, bottom) in the map's pixels.
        map_shape: the map's (height, width).
        crop: (left, top, right, bottom) of what the map covers, in the photo's pixels.
    """
    left, top, right, bottom = crop
    height, width = map_shape
    across, down = (right - left) / width, (bottom - top) / height
    return (
        left + box[0] * across,
        top + box[1] * down,
        left + box[2] * across,
        top + box[3] * down,
    )


def _central_span(profile: npt.NDArray[np.float64]) -> tuple[float, float]:
    """What is left of a line of pixels without the two tails, each of 5% of the mass at most."""
    return float(_tail(profile)), float(len(profile) - _tail(profile[::-1]))


def _tail(profile: npt.NDArray[np.float64]) -> int:
    mass = np.cumsum(profile)
    allowed = (1 - _MASS) / 2 * mass[-1]
    # Rounding must not decide whether a pixel at the very edge belongs to the tail.
    return int(np.searchsorted(mass, allowed * (1 + 1e-9), side="right"))
