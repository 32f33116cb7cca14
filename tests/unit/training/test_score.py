"""Scores, beside scikit-learn's."""

import math

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from training.recipe import Metric
from training.score import DIVERGED, Score, score, shares


def test_it_is_what_scikit_learn_says() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(3, size=200)
    logits = random.normal(size=(200, 3)) + 2 * np.eye(3)[labels]

    found = score(logits, labels)

    predicted = logits.argmax(axis=1)
    assert found.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))
    # At the temperature that fits these images and one more, of which no class is known.
    probabilities = [softmax(logits / t, axis=1) for t in np.geomspace(0.2, 5, 4000)]
    losses = [log_loss(labels, each) for each in probabilities]
    fits = [
        len(labels) * loss - np.log(each).mean()
        for loss, each in zip(losses, probabilities, strict=True)
    ]
    assert found.loss == pytest.approx(losses[int(np.argmin(fits))], abs=1e-5)


def test_the_scale_of_the_logits_does_not_matter() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(4, size=50)
    logits = random.normal(size=(50, 4)) + np.eye(4)[labels]

    assert score(3 * logits, labels).loss == pytest.approx(score(logits, labels).loss, abs=1e-6)


def test_logits_that_are_no_numbers_are_the_worst() -> None:
    assert score(np.array([[0.0, math.nan]]), np.array([0])) == DIVERGED


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        (Metric.LOG_LOSS, Score(0.2, 0.5, 0.5)),
        (Metric.ACCURACY, Score(0.9, 0.9, 0.4)),
        (Metric.BALANCED_ACCURACY, Score(0.9, 0.4, 0.9)),
    ],
)
def test_the_metric_decides(metric: Metric, better: Score) -> None:
    other = Score(0.3, 0.8, 0.8)

    assert better.by(metric) > other.by(metric) > DIVERGED.by(metric)


@pytest.mark.parametrize("metric", list(Metric))
def test_the_images_shares_make_the_score(metric: Metric) -> None:
    random = np.random.default_rng(0)
    labels = random.choice([0, 2, 3], size=200, p=[0.7, 0.2, 0.1])  # one class is not there
    logits = random.normal(size=(200, 4)) + 2 * np.eye(4)[labels]

    found = shares(logits, labels, metric)

    assert found.shape == (200,)
    assert found.mean() == pytest.approx(score(logits, labels).by(metric)[0])
