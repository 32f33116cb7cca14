"""Images whose label is probably wrong."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.label_errors import suspects

WRONG = 30


def test_labels_that_were_changed_are_found() -> None:
    pixels, truth = load_digits(return_X_y=True)
    generator = np.random.default_rng(0)
    changed = generator.choice(len(truth), WRONG, replace=False)
    labels = truth.copy()
    labels[changed] = (truth[changed] + generator.integers(1, 10, WRONG)) % 10
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    probabilities = cross_val_predict(model, pixels, labels, cv=5, method="predict_proba")

    found = suspects(probabilities, labels)

    doubted = {each.index for each in found}
    rightly = doubted & set(changed.tolist())
    assert len(rightly) >= WRONG * 2 / 3
    assert len(rightly) >= len(doubted) / 2  # one label in sixty was changed
    mended = [each.likelier == truth[each.index] for each in found if each.index in rightly]
    assert np.mean(mended) >= 0.9
    assert all(each.label == labels[each.index] for each in found)
    assert all(each.likelier != each.label for each in found)


def test_labels_that_a_model_agrees_with_are_not_doubted() -> None:
    labels = np.arange(60) % 3
    probabilities = np.full((60, 3), 0.05) + 0.85 * np.eye(3)[labels]

    assert suspects(probabilities, labels) == ()
