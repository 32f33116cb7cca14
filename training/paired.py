"""Two classifiers on the same images: how much better one is, and how sure that is."""

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm

CONFIDENCE = 0.95


def difference_interval(lost: int, gained: int, images: int) -> tuple[float, float]:
    """The score interval of a difference of two accuracies on the same images, at 95%.

    Tango 1998, "Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design". Where both classifiers agree on every image, it still has
    a width, unlike the normal approximation: few images promise little.

    Args:
        lost: images that the first alone has right.
        gained: images that the second alone has right.
        images: all, also those that both have right or wrong; at least 1.

    Returns:
        The least and the largest difference, first less second, in [-1, 1].
    """
    return _lower(lost, gained, images), -_lower(gained, lost, images)


def mean_interval(differences: npt.NDArray[np.floating]) -> tuple[float, float]:
    """The normal interval of a mean, at 95%.

    Args:
        differences: [N], one an image.

    Returns:
        Its ends; where all are the same, both are that. A single one says nothing: -inf and inf.
    """
    if len(differences) == 1:
        return -math.inf, math.inf
    half = norm.ppf((1 + CONFIDENCE) / 2) * differences.std(ddof=1) / math.sqrt(len(differences))
    mean = differences.mean()
    return float(mean - half), float(mean + half)


def _lower(lost: int, gained: int, images: int) -> float:
    """The difference below the observed one that the score test just does not reject."""
    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    observed = (lost - gained) / images
    # Without disagreement the excess is 0 at the observed difference too.
    below = observed - 1e-12

    def excess(difference: float) -> float:
        variance = images * _variance(difference, lost, gained, images)
        return lost - gained - images * difference - z * math.sqrt(max(variance, 0))

    return float(brentq(excess, -1, below)) if below > -1 else -1.0


def _variance(difference: float, lost: int, gained: int, images: int) -> float:
    """Of one image's difference, at the likeliest rates with this mean (Tango 1998, section 3)."""
    linear = (2 * images - lost + gained) * difference - lost - gained
    constant = -gained * difference * (1 - difference)
    root = math.sqrt(linear**2 - 8 * images * constant)
    gaining = (root - linear) / (4 * images)
    return 2 * gaining + difference * (1 - difference)
