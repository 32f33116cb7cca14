"""Real runs of each kind, and the names that their curves get."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from training import diagnosis
from training.backbones import backbone
from training.diagnosis import Diagnosis, diagnose
from training.finetune import Run, finetune
from training.history import History
from training.instrument import Instrumented
from training.learning.batches import Examples
from training.recipe import Recipe, Schedule, Strategy

VALIDATION = 300


def digits(images: int, *, parity: bool, wrong: float) -> tuple[Examples, Examples]:
    """scikit-learn's digits, or whether they are odd, a share of the labels drawn at random."""
    random = np.random.default_rng(0)
    pixels, labels = load_digits(return_X_y=True)
    order = random.permutation(len(labels))[: VALIDATION + images]
    pixels, labels = pixels[order], (labels[order] % 2 if parity else labels[order])
    drawn = random.random(len(labels)) < wrong
    labels = np.where(drawn, random.integers(10, size=len(labels)), labels)
    grey = np.kron(pixels.reshape(-1, 8, 8) * 15, np.ones((4, 4))).astype(np.uint8)
    examples = Examples(np.repeat(grey[..., None], 3, axis=3), labels.astype(np.int64))
    rows = np.arange(len(labels))
    return examples.of(rows[VALIDATION:]), examples.of(rows[:VALIDATION])


def run(
    name: str, images: int, *, parity: bool = False, wrong: float = 0.0, **recipe: Any
) -> History:
    """Train a network from scratch on so many digits."""
    torch.manual_seed(0)
    chosen = backbone(name)
    classes = 2 if parity else 10
    network = Instrumented(chosen.build(classes), chosen, chosen.preprocessing).eval()
    whole = Recipe(strategy=Strategy.SCRATCH, augment=("none",), **recipe)
    return finetune(network, *digits(images, parity=parity, wrong=wrong), whole, Run())


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
def test_a_run_of_each_kind_gets_its_name(expected: Diagnosis, made: dict[str, Any]) -> None:
    assert diagnose(run(**made)) == expected


def test_a_few_epochs_say_nothing() -> None:
    assert diagnose(run("lenet5", 100, epochs=4, rate=1e-3)) is None


def test_weights_that_diverged_are_no_curve() -> None:
    assert diagnose(run("lenet5", 100, epochs=9, rate=1e9)) is None
