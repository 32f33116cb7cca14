"""When a trained network counts as better than its probe, and how that is said."""

import math

import numpy as np
import pytest

from training.history import Epoch, History
from training.learning.batches import Examples
from training.partition import Partition
from training.recipe import Metric
from training.score import Score
from training.tuning import Tuning

SURE, UNSURE, WORSE = (0.05, 0.2), (-0.01, 0.2), (-0.2, -0.05)


def tuning(
    *validation: tuple[float, float],
    gain: tuple[float, float],
    metric: Metric = Metric.LOG_LOSS,
    soup: Score | None = None,
) -> Tuning:
    """Of epochs with these losses and accuracies; the probe has 0.5 and 80%."""
    epochs = tuple(
        Epoch(number, math.nan, math.nan, Score(loss, accuracy, accuracy))
        for number, (loss, accuracy) in enumerate(validation)
    )
    history = History(metric, epochs, soup=soup)
    partition = Partition(np.arange(0), np.arange(40), np.arange(40, 80))
    nothing = Examples(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, np.int64))
    return Tuning(history, nothing, partition, Score(0.5, 0.8, 0.8), gain)


@pytest.mark.parametrize(
    ("validation", "gain", "better", "said"),
    [
        ([(0.5, 0.8), (0.3, 0.85)], SURE, True, "85.0% right (balanced 85.0%, log loss 0.300)"),
        ([(0.5, 0.8), (0.3, 0.8), (0.6, 0.9)], SURE, True, "by 0.050 to 0.200 (95% interval)"),
        ([(0.5, 0.8), (0.4, 0.85)], UNSURE, False, "by -0.010 to 0.200 (95% interval)"),
        ([(0.7, 0.7), (0.6, 0.9)], WORSE, False, "90.0% right (balanced 90.0%, log loss 0.600)"),
        ([(0.5, 0.8), (0.4, 0.775)], SURE, False, "77.5% right (balanced 77.5%, log loss 0.400)"),
        ([(0.4, 0.9), (0.45, 0.9)], SURE, False, "No epoch"),
        ([(0.4, 0.9), (math.inf, 0.0)], WORSE, False, "No epoch"),
    ],
)
def test_better_beyond_doubt_and_no_more_errors_are_asked_for(
    validation: list[tuple[float, float]], gain: tuple[float, float], *, better: bool, said: str
) -> None:
    found = tuning(*validation, gain=gain)

    assert found.better is better
    assert said in found.outcome
    published = "the trained network is" if better else "the probe is"
    assert found.outcome.endswith(f"{published} published.")


def test_balanced_accuracy_may_cost_accuracy() -> None:
    epochs = (0.5, 0.8), (0.5, 0.75)
    scores = [Score(loss, accuracy, 1.6 - accuracy) for loss, accuracy in epochs]
    history = History(
        Metric.BALANCED_ACCURACY,
        tuple(Epoch(number, math.nan, math.nan, found) for number, found in enumerate(scores)),
    )
    found = tuning(*epochs, gain=SURE)

    assert Tuning(history, found.training, found.partition, found.probe, SURE).better


def test_an_average_counts_where_no_epoch_was_better() -> None:
    epochs = (0.6, 0.8), (0.7, 0.8)

    assert tuning(*epochs, gain=SURE, soup=Score(0.4, 0.8, 0.8)).better
    assert not tuning(*epochs, gain=SURE).better
