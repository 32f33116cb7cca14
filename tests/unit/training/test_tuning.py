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

Gains = dict[Metric, tuple[float, float]]

SURE: Gains = {Metric.LOG_LOSS: (0.05, 0.2), Metric.ACCURACY: (-0.01, 0.1)}
RIGHT: Gains = {Metric.LOG_LOSS: (-0.01, 0.2), Metric.ACCURACY: (0.02, 0.1)}
UNSURE: Gains = {Metric.LOG_LOSS: (-0.01, 0.2), Metric.ACCURACY: (-0.02, 0.1)}


def tuning(
    *validation: tuple[float, float],
    gains: Gains,
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
    return Tuning(history, nothing, partition, Score(0.5, 0.8, 0.8), gains)


@pytest.mark.parametrize(
    ("validation", "gains", "better", "said"),
    [
        ([(0.5, 0.8), (0.3, 0.85)], SURE, True, "85.0% right (balanced 85.0%, log loss 0.300)"),
        ([(0.5, 0.8), (0.3, 0.8), (0.6, 0.9)], SURE, True, "by log-loss 0.050 to 0.200"),
        ([(0.5, 0.8), (0.4, 0.85)], RIGHT, True, "by accuracy 0.020 to 0.100 (95% intervals)"),
        ([(0.5, 0.8), (0.4, 0.85)], UNSURE, False, "by log-loss -0.010 to 0.200"),
        ([(0.7, 0.7), (0.6, 0.9)], RIGHT, False, "90.0% right (balanced 90.0%, log loss 0.600)"),
        ([(0.5, 0.8), (0.4, 0.775)], SURE, False, "77.5% right (balanced 77.5%, log loss 0.400)"),
        ([(0.4, 0.9), (0.45, 0.9)], SURE, False, "No epoch"),
        ([(0.4, 0.9), (math.inf, 0.0)], {}, False, "No epoch"),
    ],
)
def test_better_beyond_doubt_and_no_more_errors_are_asked_for(
    validation: list[tuple[float, float]], gains: Gains, *, better: bool, said: str
) -> None:
    found = tuning(*validation, gains=gains)

    assert found.better is better
    assert said in found.outcome
    published = "the trained network is" if better else "the probe is"
    assert found.outcome.endswith(f"{published} published.")


def test_by_accuracy_the_loss_may_rise() -> None:
    epochs = (0.7, 0.7), (0.9, 0.85)

    assert tuning(*epochs, gains=RIGHT, metric=Metric.ACCURACY).better
    assert not tuning(*epochs, gains=UNSURE, metric=Metric.ACCURACY).better


def test_an_average_counts_where_no_epoch_was_better() -> None:
    epochs = (0.6, 0.8), (0.7, 0.8)

    assert tuning(*epochs, gains=SURE, soup=Score(0.4, 0.8, 0.8)).better
    assert not tuning(*epochs, gains=SURE).better
