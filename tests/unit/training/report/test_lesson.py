"""What the report shows of a run: its outcome, its curves and what it saw."""

import math
import re

import numpy as np
import pytest

from training.history import Epoch, History
from training.learning.batches import Examples
from training.learning.rate_finder import Sweep
from training.partition import Partition
from training.recipe import Metric, Recipe
from training.report.lesson import EPOCHS, IMAGES, Lesson, contact_sheet, lesson
from training.score import Score
from training.tuning import Tuning


@pytest.fixture
def examples() -> Examples:
    """Images that a mirror changes."""
    crops = np.zeros((10, 16, 16, 3), dtype=np.uint8)
    crops[:, :, :8] = 10 * np.arange(10)[:, None, None, None] + 100
    return Examples(crops, np.arange(10) % 2)


def shown(examples: Examples, sweep: Sweep | None) -> Lesson:
    epochs = [Epoch(0, math.nan, math.nan, Score(0.5, 0.8, 0.8))]
    epochs += [Epoch(n, 1 / n, 0.9, Score(0.4 / n, 0.9, 0.9)) for n in range(1, 4)]
    history = History(Metric.LOG_LOSS, tuple(epochs), sweep)
    tuning = Tuning(
        history, examples, Partition(*np.split(np.arange(10), [4, 8])), Score(0.6, 0.7, 0.7),
        {Metric.LOG_LOSS: (0.1, 0.3)},
    )  # fmt: skip
    return lesson(tuning, Recipe(), seed=0)


def test_each_epoch_is_a_point_of_its_curve(examples: Examples) -> None:
    found = shown(examples, None)

    curves = [len(re.findall(r"<use ", part)) for part in found.curves.split('<g id="line2d_')]
    assert {3, 4} <= set(curves), "training has a point less than validation"
    assert found.sweep is None
    assert found.diagnosis is None, "three epochs say nothing"


def test_a_sweep_is_shown_with_the_rate_that_was_taken(examples: Examples) -> None:
    found = shown(examples, Sweep((1e-5, 1e-4, 1e-3), (1.0, 0.9, 2.0), 1e-4))

    assert found.sweep is not None
    assert found.sweep.startswith("<svg")


def test_the_sheet_shows_images_as_the_epochs_saw_them(examples: Examples) -> None:
    sheet = contact_sheet(examples, Recipe(augment=("flip",)), seed=0)

    assert sheet.shape == (IMAGES * EPOCHS, 16, 16, 3)
    rows = sheet.reshape(IMAGES, EPOCHS, 16, 16, 3)
    for row, images in zip((0, 3, 6, 9), rows, strict=True):
        either = [examples.crops[row], examples.crops[row][:, ::-1]]
        kinds = [next(k for k, each in enumerate(either) if (each == i).all()) for i in images]
        assert len(kinds) == EPOCHS
    mirrored = [(images != images[:1]).any() for images in rows]
    assert any(mirrored)
