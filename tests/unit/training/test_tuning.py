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


def tuning(
    *validation: tuple[float, float], metric: Metric = Metric.LOG_LOSS, soup: Score | None = None
) -> Tuning:
    """Of epochs with these losses and accuracies; the probe has 0.5 and 80%."""
    epochs = tuple(
        Epoch(number, math.nan, math.nan, Score(loss, accuracy, accuracy))
        for number, (loss, accuracy) in enumerate(validation)
    )
    history = History(metric, epochs, soup=soup)
    partition = Partition(np.arange(0), np.arange(40), np.arange(40, 80))
    nothing = Examples(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, np.int64))
    return Tuning(history, nothing, partition, Score(0.5, 0.8, 0.8))


@pytest.mark.parametrize(
    ("validation", "better", "said"),
    [
        ([(0.5, 0.8), (0.3, 0.85)], True, "85.0% right (balanced 85.0%, log loss 0.300)"),
        ([(0.5, 0.8), (0.3, 0.8), (0.6, 0.9)], True, "80.0% right (balanced 80.0%, log loss 0.300"),
        ([(0.7, 0.7), (0.6, 0.9)], False, "90.0% right (balanced 90.0%, log loss 0.600)"),
        ([(0.5, 0.8), (0.4, 0.775)], False, "77.5% right (balanced 77.5%, log loss 0.400)"),
        ([(0.4, 0.9), (0.45, 0.9)], False, "No epoch"),
        ([(0.4, 0.9), (math.inf, 0.0)], False, "No epoch"),
    ],
)
def test_less_loss_and_no_more_errors_are_better(
    validation: list[tuple[float, float]], *, better: bool, said: str
) -> None:
    found = tuning(*validation)

    assert found.better is better
    assert said in found.outcome
    published = "the trained network is" if better else "the probe is"
    assert found.outcome.endswith(f"{published} published.")


@pytest.mark.parametrize(
    ("epoch", "better"), [((0.9, 0.85), True), ((0.4, 0.8), True), ((0.6, 0.8), False)]
)
def test_by_accuracy_the_loss_decides_only_among_equals(
    epoch: tuple[float, float], *, better: bool
) -> None:
    assert tuning((0.7, 0.7), epoch, metric=Metric.ACCURACY).better is better


def test_an_average_counts_where_no_epoch_was_better() -> None:
    assert tuning((0.6, 0.8), (0.7, 0.8), soup=Score(0.4, 0.8, 0.8)).better
    assert not tuning((0.6, 0.8), (0.7, 0.8)).better
