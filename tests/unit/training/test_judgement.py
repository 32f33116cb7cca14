"""How good a calibrated model is: its answers and its sets, in numbers."""

import numpy as np
import pytest
from scipy.special import softmax

from models.errors import TrainingError
from models.manifest import Calibration, Conformal, Lac, Raps
from training.evaluate import evaluate
from training.judgement import judge

NAMES = ("a", "b", "c")
LOGITS = np.array([[4.0, 0.0, 0.0], [0.0, 4.0, 1.0], [1.0, 0.5, 1.2], [2.0, 2.2, 0.0]])
LABELS = np.array([0, 1, 0, 0])
CALIBRATION = Calibration(
    temperature=2.0,
    conformal=Conformal(
        lac=Lac(thresholds={"0.8": 0.5, "0.9": 0.7}),
        raps=Raps(thresholds={"0.8": 0.4, "0.9": 0.9}, penalty=0.01, k_reg=1),
    ),
)


def test_answers_are_judged_with_and_without_the_temperature() -> None:
    judged = judge(LOGITS, LABELS, NAMES, CALIBRATION)

    plain, scaled = evaluate(LOGITS, LABELS, NAMES), evaluate(LOGITS / 2, LABELS, NAMES)
    assert judged.uncalibrated.ece == plain.ece
    assert judged.metrics["ece"] == pytest.approx(scaled.ece)
    assert judged.metrics["ece_uncalibrated"] == plain.ece
    assert judged.metrics["top1"] == 0.5


def test_sets_are_judged_by_what_they_hold() -> None:
    judged = judge(LOGITS, LABELS, NAMES, CALIBRATION)

    probabilities = softmax(LOGITS / 2, axis=1)
    for coverage, threshold in (("0.8", 0.5), ("0.9", 0.7)):
        sets = 1 - probabilities <= threshold
        (found,) = (
            each
            for each in judged.sets
            if each.method == "lac" and each.coverage == float(coverage)
        )
        assert found.reached == np.mean(
            [row[label] for row, label in zip(sets, LABELS, strict=True)]
        )
        assert found.size == sets.sum() / len(sets)
        assert judged.metrics[f"coverage_lac_{coverage}"] == found.reached


def test_without_sets_there_is_nothing_to_judge() -> None:
    with pytest.raises(TrainingError, match="no prediction sets"):
        judge(LOGITS, LABELS, NAMES, Calibration(temperature=1.0))
