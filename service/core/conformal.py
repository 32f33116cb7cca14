"""Prediction sets: the classes that hold the true one as often as was promised.

A score [N, K] says how badly a class fits an image; a set holds the classes whose score is
not above a threshold. The threshold is a quantile of the true classes' scores on held-out
images (split conformal prediction: Vovk et al. 2005). Coverage is a promise about all
images together: among the hard ones it may be lower.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import Unsupported
from models.manifest import Lac, Raps
from service.core.classification import Prediction

Floats = npt.NDArray[np.float64]


def lac_scores(probabilities: npt.NDArray[np.floating]) -> Floats:
    """One minus the probability: the sets with the fewest classes on average.

    Sadinle et al. 2019, "Least ambiguous set-valued classifiers with bounded error levels".
    Where no class is probable enough the set is empty: the image is like no class.

    Args:
        probabilities: [N, K], in [0, 1].

    Returns:
        [N, K], in [0, 1].
    """
    return 1 - np.asarray(probabilities, dtype=np.float64)


def raps_scores(probabilities: npt.NDArray[np.floating], *, penalty: float, k_reg: int) -> Floats:
    """The mass of all more probable classes, and a penalty for each rank past `k_reg`.

    Angelopoulos et al. 2021, "Uncertainty sets for image classifiers using conformal
    prediction", section 2, with u = 0 instead of a random number, in fitting and in serving
    alike: the same image always has the same set, and the promise holds. The most probable
    class scores 0, so no set is empty; where a model is right more often than was promised,
    its sets are that one class. (u = 1 promises as much, but leaves sure answers empty and
    swells the unsure ones.) Equal probabilities rank by index.

    Args:
        probabilities: [N, K], in [0, 1]; a row's sum is 1.
        penalty: lambda in the paper, at least 0.
        k_reg: ranks that go free, at least 1.

    Returns:
        [N, K], in [0, 1 + penalty * max(K - k_reg, 0)].
    """
    values = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-values, axis=1, kind="stable")
    mass = np.take_along_axis(values, order, axis=1).cumsum(axis=1)
    # A sum may round to more than 1.
    before = np.minimum(np.insert(mass[:, :-1], 0, 0.0, axis=1), 1)
    ranks = np.arange(1, values.shape[1] + 1)
    scores = np.empty_like(values)
    np.put_along_axis(scores, order, _raps_score(before, ranks, penalty, k_reg), axis=1)
    return scores


def prediction_sets(
    probabilities: npt.NDArray[np.floating], rule: Lac | Raps, coverage: float
) -> npt.NDArray[np.bool_]:
    """Which classes cannot be ruled out.

    Args:
        probabilities: [N, K], at the temperature that the rule was fitted with.
        rule: a bundle's `calibration.conformal.lac` or `.raps`.
        coverage: how often a set shall hold the true class, one of those fitted.

    Returns:
        [N, K].

    Raises:
        Unsupported: the rule was not fitted for this coverage.
    """
    largest = threshold(rule, coverage)
    if isinstance(rule, Lac):
        return lac_scores(probabilities) <= largest
    return raps_scores(probabilities, penalty=rule.penalty, k_reg=rule.k_reg) <= largest


def prediction_set(
    ranked: Iterable[Prediction], rule: Lac | Raps, largest: float
) -> tuple[Prediction, ...]:
    """One image's set, as `prediction_sets` has it; only as many classes are looked at.

    Args:
        ranked: the image's classes, most probable first.
        rule: as for `prediction_sets`.
        largest: from `threshold`.
    """
    found, mass = [], 0.0
    for rank, prediction in enumerate(ranked, start=1):
        if isinstance(rule, Lac):
            score = 1 - prediction.probability
        else:
            score = _raps_score(min(mass, 1.0), rank, rule.penalty, rule.k_reg)
        if score > largest:
            break
        found.append(prediction)
        mass += prediction.probability
    return tuple(found)


def _raps_score(before: Any, rank: Any, penalty: float, k_reg: int) -> Any:
    """Of a class with so much mass before it, for numbers and arrays alike."""
    return before + penalty * (rank - k_reg) * (rank > k_reg)


def threshold(rule: Lac | Raps, coverage: float) -> float:
    """The largest score in a set of this coverage.

    Raises:
        Unsupported: the rule was not fitted for it.
    """
    found = rule.thresholds.get(f"{coverage:g}")
    if found is None:
        raise Unsupported(
            f"no prediction sets of coverage {coverage:g}; "
            f"possible coverages: {', '.join(rule.thresholds)}"
        )
    return found
