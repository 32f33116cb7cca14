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
    Where no class is probable enough the set is empty.

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
    alike: the same image always has the same set. By that alone the most probable class would
    score 0 in every image, and where a model is right more often than was promised, so would
    its sets be. So these ties are broken by certainty: the most probable class scores minus
    its probability. A threshold below 0 leaves the least certain answers empty, and names one
    class in the others (ADR 4). Equal probabilities rank by index.

    Args:
        probabilities: [N, K], in [0, 1]; a row's sum is 1.
        penalty: lambda in the paper, at least 0.
        k_reg: ranks that go free, at least 1.

    Returns:
        [N, K], in [-1, 1 + penalty * max(K - k_reg, 0)]; at least 0 but for the most probable.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-values, axis=1, kind="stable")
    own = np.take_along_axis(values, order, axis=1)
    # A sum may round to more than 1.
    before = np.minimum(np.insert(own.cumsum(axis=1)[:, :-1], 0, 0.0, axis=1), 1)
    ranks = np.arange(1, values.shape[1] + 1)
    scores = np.empty_like(values)
    np.put_along_axis(scores, order, _raps_score(own, before, ranks, penalty, k_reg), axis=1)
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
            own, before = prediction.probability, min(mass, 1.0)
            score = _raps_score(own, before, rank, rule.penalty, rule.k_reg)
        if score > largest:
            break
        found.append(prediction)
        mass += prediction.probability
    return tuple(found)


def _raps_score(own: Any, before: Any, rank: Any, penalty: float, k_reg: int) -> Any:
    """Of a class by its mass and that before it, for numbers and arrays alike."""
    return before - own * (rank == 1) + penalty * (rank - k_reg) * (rank > k_reg)


def threshold(rule: Lac | Raps, coverage: float) -> float:
    """The largest score in a set of this coverage.

    Raises:
        Unsupported: the rule was not fitted for it.
    """
    thresholds = {float(fitted): largest for fitted, largest in rule.thresholds.items()}
    found = thresholds.get(coverage)
    if found is None:
        raise Unsupported(
            f"no prediction sets of coverage {coverage}; "
            f"possible coverages: {', '.join(rule.thresholds)}"
        )
    return found
