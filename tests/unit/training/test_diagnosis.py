"""Real runs of each kind, and the names that their curves get."""

from typing import Any

import numpy as np
import pytest
import torch

from training import diagnosis
from training.backbones import backbone
from training.diagnosis import Diagnosis, diagnose
from training.finetune import Run, finetune
from training.history import History
from training.instrument import Instrumented
from training.learning.batches import Examples
from training.recipe import Recipe, Schedule, Strategy

VALIDATION = 300


def drawn(
    digits: Examples, images: int, *, parity: bool, wrong: float
) -> tuple[Examples, Examples]:
    """So many digits, or whether they are odd, a share of the labels at random; and others."""
    random = np.random.default_rng(0)
    some = digits.of(random.permutation(len(digits.labels))[: VALIDATION + images])
    labels = some.labels % 2 if parity else some.labels
    noisy = random.random(len(labels)) < wrong
    labels = np.where(noisy, random.integers(10, size=len(labels)), labels)
    examples, rows = Examples(some.crops, labels), np.arange(len(labels))
    return examples.of(rows[VALIDATION:]), examples.of(rows[:VALIDATION])


def run(
    digits: Examples,
    name: str,
    images: int,
    *,
    parity: bool = False,
    wrong: float = 0.0,
    **recipe: Any,
) -> History:
    """Train a network from scratch on so many digits."""
    torch.manual_seed(0)
    chosen = backbone(name)
    classes = 2 if parity else 10
    network = Instrumented(chosen.build(classes), chosen, chosen.preprocessing).eval()
    whole = Recipe(strategy=Strategy.SCRATCH, augment=("none",), **recipe)
    return finetune(network, *drawn(digits, images, parity=parity, wrong=wrong), whole, Run())


@pytest.mark.parametrize(
    ("expected", "made"),
    [
        (diagnosis.STOPPED_EARLY, {"name": "lenet5", "images": 1000, "epochs": 6, "rate": 1e-4}),
        (
            # A line parts odd from even no better than nine times in ten.
            diagnosis.TOO_SHALLOW,
            {"name": "linear", "images": 1000, "parity": True, "epochs": 20, "rate": 1e-3},
        ),
        (
            diagnosis.OVERFITTING,
            {"name": "mlp", "images": 100, "epochs": 30, "rate": 1e-3},
        ),
        (
            # A fifth of the labels is noise, which it learns by heart.
            diagnosis.OVERFITTING,
            {"name": "lenet5", "images": 150, "wrong": 0.2, "epochs": 40, "rate": 1e-3},
        ),
        (
            diagnosis.OSCILLATING,
            {
                "name": "mlp", "images": 300, "epochs": 20, "rate": 1e-2,
                "schedule": Schedule.CONSTANT,
            },
        ),
        (diagnosis.GOOD, {"name": "lenet5", "images": 1000, "epochs": 10, "rate": 1e-3}),
    ],
)  # fmt: skip
def test_a_run_of_each_kind_gets_its_name(
    expected: Diagnosis, made: dict[str, Any], enlarged_digits: Examples
) -> None:
    assert diagnose(run(enlarged_digits, **made)) == expected


def test_a_few_epochs_say_nothing(enlarged_digits: Examples) -> None:
    assert diagnose(run(enlarged_digits, "lenet5", 100, epochs=4, rate=1e-3)) is None


def test_weights_that_diverged_are_no_curve(enlarged_digits: Examples) -> None:
    assert diagnose(run(enlarged_digits, "lenet5", 100, epochs=9, rate=1e9)) is None
