"""How good a calibrated model is on images that nothing was fitted to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import TrainingError
from models.manifest import Calibration, Conformal
from service.core.classification import softmax
from service.core.conformal import prediction_sets
from training.calibrate import coverage_reached
from training.evaluate import Evaluation, Ints, evaluate


@dataclass(frozen=True)
class SetQuality:
    """What prediction sets of a promised coverage do: how often they hold the true class.

    `method` is `lac` or `raps`; `size` is the mean number of classes in a set.
    """

    method: str
    coverage: float
    reached: float
    size: float


@dataclass(frozen=True, eq=False)
class Judgement:
    """Answers at the bundle's temperature, beside those without one, and their sets."""

    uncalibrated: Evaluation
    calibrated: Evaluation
    sets: tuple[SetQuality, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """Every number that stands for itself, by name, for the manifest."""
        reached = {f"coverage_{each.method}_{each.coverage:g}": each.reached for each in self.sets}
        return {
            **self.calibrated.metrics,
            "ece_uncalibrated": self.uncalibrated.ece,
            **reached,
        }


def judge(
    logits: npt.NDArray[np.floating],
    labels: Ints,
    names: tuple[str, ...],
    calibration: Calibration,
) -> Judgement:
    """Judge the logits [N, K] of images with the true classes `labels` [N].

    Raises:
        DataError: there are no images.
        TrainingError: a logit is not finite, or the calibration has no prediction sets.
    """
    if calibration.conformal is None:
        raise TrainingError("the calibration has no prediction sets to judge")
    probabilities = softmax(logits, calibration.temperature)
    return Judgement(
        evaluate(logits, labels, names),
        evaluate(logits, labels, names, temperature=calibration.temperature),
        _sets(probabilities, labels, calibration.conformal),
    )


def _sets(
    probabilities: npt.NDArray[np.float64], labels: Ints, conformal: Conformal
) -> tuple[SetQuality, ...]:
    found = []
    for method, rule in (("lac", conformal.lac), ("raps", conformal.raps)):
        for coverage in map(float, rule.thresholds):
            sets = prediction_sets(probabilities, rule, coverage)
            reached, size = coverage_reached(sets, labels), float(sets.sum(axis=1).mean())
            found.append(SetQuality(method, coverage, reached, size))
    return tuple(found)
