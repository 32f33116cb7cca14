"""When a fine-tuned network counts as better than its probe, and how that is said."""

import math

import numpy as np
import pytest

from training.finetune import Epoch
from training.tuning import Tuning


def tuning(*validation: tuple[float, float]) -> Tuning:
    """Of epochs with these losses and accuracies; the probe has 0.5 and 80%."""
    epochs = [Epoch(number, math.nan, *found) for number, found in enumerate(validation)]
    return Tuning(epochs, np.zeros((40, 3)), probe_accuracy=0.8, probe_loss=0.5)


@pytest.mark.parametrize(
    ("validation", "better", "said"),
    [
        ([(0.5, 0.8), (0.3, 0.85)], True, "85.0% right (log loss 0.300), the probe 80.0% (0.500)"),
        ([(0.5, 0.8), (0.3, 0.8), (0.6, 0.9)], True, "80.0% right (log loss 0.300)"),
        ([(0.7, 0.7), (0.6, 0.9)], False, "90.0% right (log loss 0.600)"),
        ([(0.5, 0.8), (0.4, 0.775)], False, "77.5% right (log loss 0.400)"),
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
    published = "the fine-tuned network is" if better else "the probe is"
    assert found.outcome.endswith(f"{published} published.")
