"""Small networks from random weights, on scikit-learn's digits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from training.backbones import backbone
from training.baselines.scratch import NETWORKS, scratch
from training.learning.batches import Examples


@pytest.mark.parametrize("name", NETWORKS)
def test_digits_are_learned_from_nothing(name: str) -> None:
    images, labels = load_digits(n_class=4, return_X_y=True)
    grey = np.kron(images.reshape(-1, 8, 8) * 15, np.ones((4, 4))).astype(np.uint8)
    examples = Examples(np.repeat(grey[..., None], 3, axis=3), labels.astype(np.int64))
    rows = np.arange(len(labels))
    learning, test = examples.of(rows[:400]), examples.of(rows[400:])
    split = rows[:300], rows[300:400]

    validated, answers = scratch(backbone(name), learning, test.crops, split, seed=0)

    assert validated.shape == (100, 4)
    assert (answers.argmax(axis=1) == test.labels).mean() > 0.85
