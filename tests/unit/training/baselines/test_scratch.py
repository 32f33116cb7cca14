"""Small networks from random weights, on scikit-learn's digits."""

import numpy as np
import pytest

from training.backbones import backbone
from training.baselines.scratch import NETWORKS, scratch
from training.learning.batches import Examples


@pytest.mark.parametrize("name", NETWORKS)
def test_digits_are_learned_from_nothing(name: str, enlarged_digits: Examples) -> None:
    (rows,) = np.nonzero(enlarged_digits.labels < 4)
    learning, test = enlarged_digits.of(rows[:400]), enlarged_digits.of(rows[400:])
    split = np.arange(300), np.arange(300, 400)

    validated, answers = scratch(backbone(name), learning, test.crops, split, seed=0)

    assert validated.shape == (100, 4)
    assert (answers.argmax(axis=1) == test.labels).mean() > 0.85
