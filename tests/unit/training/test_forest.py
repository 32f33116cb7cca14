"""The random forest beside the probes."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

from training import forest, probe


def test_a_forest_is_as_good_as_scikit_learn_says() -> None:
    features, labels = (array[:600] for array in load_digits(return_X_y=True))
    splits = probe.folds(labels, np.arange(len(labels)), seed=0)

    found = forest.compare(features, labels, splits, seed=0)

    model = RandomForestClassifier(found.trees, n_jobs=-1, random_state=1)
    for score, measure in ((found.accuracy, "accuracy"), (-found.loss, "neg_log_loss")):
        expected = cross_val_score(model, features, labels, cv=splits, scoring=measure).mean()
        assert score == pytest.approx(expected, abs=0.02)
    assert found == forest.compare(features, labels, splits, seed=0)


def test_what_parts_classes_in_a_circle_is_seen() -> None:
    # No line parts a disc from the ring around it.
    features = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    labels = (np.linalg.norm(features, axis=1) > 0.8).astype(np.int64)
    splits = probe.folds(labels, np.arange(400), seed=0)

    found = forest.compare(features, labels, splits, seed=0)

    assert found.accuracy > probe.ranked(features, labels, splits)[0].accuracy + 0.2
