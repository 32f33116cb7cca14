"""The linear probe: its head, its held-out logits, and how its strength is chosen."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.errors import DataError
from training import probe
from training.probe import Classifier
from training.recipe import Metric

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def digits() -> tuple[Floats, Labels]:
    features, labels = load_digits(return_X_y=True)
    return features[:600], labels[:600]


def alone(labels: Labels) -> Labels:
    """Every image in a group of its own."""
    return np.arange(len(labels))


@pytest.mark.parametrize("classifier", list(Classifier))
def test_a_probe_is_as_good_as_scikit_learns_own_cross_validation_says(
    digits: tuple[Floats, Labels], classifier: Classifier
) -> None:
    features, labels = digits
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    expected = cross_val_score(pipeline, features, labels, cv=5).mean()

    found = probe.fit(features, labels, classifier, probe.folds(labels, alone(labels), seed=0))

    assert (found.held_out.argmax(axis=1) == labels).mean() >= expected - 0.02


def test_the_head_is_scikit_learns_on_the_features_as_they_are(
    digits: tuple[Floats, Labels],
) -> None:
    features, labels = digits
    features = features[:, features.std(axis=0) > 1]  # what hardly varies counts less
    splits = probe.folds(labels, alone(labels), seed=0)

    found = probe.fit(features, labels, Classifier.LOGISTIC, splits)

    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=found.strength, max_iter=5000, tol=1e-8)
    ).fit(features, labels)
    expected = model.decision_function(features)
    logits = found.head.logits(features)
    centred = logits - logits.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        centred, expected - expected.mean(axis=1, keepdims=True), atol=0.02 * np.abs(expected).max()
    )


def test_a_feature_that_hardly_varies_does_not_outweigh_the_others() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(16) % 2
    features = generator.standard_normal((16, 20)) + labels[:, np.newaxis]
    features[:, 0] = 0
    features[3, 0] = 1e-6  # in one image alone, and by next to nothing
    splits = probe.folds(labels, alone(labels), seed=0)

    found = probe.fit(features, labels, Classifier.LOGISTIC, splits)

    others = generator.standard_normal((200, 20)) + np.repeat([0, 1], 100)[:, np.newaxis]
    others[:, 0] = generator.uniform(0, 1, 200)
    right = found.head.logits(others).argmax(axis=1) == np.repeat([0, 1], 100)
    assert right.mean() > 0.9


def test_two_classes_get_a_row_each(digits: tuple[Floats, Labels]) -> None:
    features, labels = digits
    two = labels < 2
    features, labels = features[two], labels[two]
    splits = probe.folds(labels, alone(labels), seed=0)

    found = probe.fit(features, labels, Classifier.LOGISTIC, splits)

    model = make_pipeline(StandardScaler(), LogisticRegression(C=found.strength, max_iter=5000))
    expected = model.fit(features, labels).decision_function(features)
    logits = found.head.logits(features)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], expected, atol=0.02 * expected.max())


def test_held_out_logits_come_from_heads_that_have_not_seen_the_image() -> None:
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(120, 200)), np.arange(120) % 3

    found = probe.fit(features, labels, Classifier.SVM, probe.folds(labels, alone(labels), seed=0))

    # Noise can be learned by heart and by no other way.
    assert (found.head.logits(features).argmax(axis=1) == labels).mean() > 0.9
    assert (found.held_out.argmax(axis=1) == labels).mean() < 0.5


def test_noise_is_regularised_more_than_signal(digits: tuple[Floats, Labels]) -> None:
    features, labels = digits
    noisy = features + np.random.default_rng(0).normal(scale=20, size=features.shape)
    splits = probe.folds(labels, alone(labels), seed=0)

    clear, noise = (
        probe.fit(given, labels, Classifier.LOGISTIC, splits) for given in (features, noisy)
    )

    assert noise.strength < clear.strength


def test_images_of_a_group_are_never_on_both_sides(digits: tuple[Floats, Labels]) -> None:
    _, labels = digits
    groups = np.arange(len(labels)) // 4

    splits = probe.folds(labels, groups, seed=0)

    for inside, outside in splits:
        assert not set(groups[inside]) & set(groups[outside])
    np.testing.assert_array_equal(
        np.sort(np.concatenate([outside for _, outside in splits])), np.arange(len(labels))
    )


def test_a_class_with_one_image_cannot_be_cross_validated() -> None:
    labels = np.array([0, 0, 0, 0, 1])

    with pytest.raises(DataError, match="at least two training images of each class"):
        probe.folds(labels, alone(labels), seed=0)


def test_a_class_of_copies_cannot_be_cross_validated() -> None:
    labels = np.array([0, 1, 0, 1, 0, 1])
    groups = np.array([0, 9, 1, 9, 2, 9])

    with pytest.raises(DataError, match="one group of near-duplicates"):
        probe.folds(labels, groups, seed=0)


@pytest.mark.parametrize("classifier", list(Classifier))
def test_on_the_same_features_heads_like_a_probes_make_its_own_held_out_logits(
    digits: tuple[Floats, Labels], classifier: Classifier
) -> None:
    features, labels = digits
    splits = probe.folds(labels, alone(labels), seed=0)
    found = probe.fit(features, labels, classifier, splits)

    again = probe.held_out(found, features, features, labels, splits)

    np.testing.assert_allclose(again, found.held_out, atol=1e-9)


def test_on_other_features_the_heads_stay_those_of_the_first(
    digits: tuple[Floats, Labels],
) -> None:
    features, labels = digits
    splits = probe.folds(labels, alone(labels), seed=0)
    found = probe.fit(features, labels, Classifier.LOGISTIC, splits)

    # A head is affine: halfway between two inputs it gives halfway between their logits.
    shifted = probe.held_out(found, features, features + 2, labels, splits)
    halfway = probe.held_out(found, features, features + 1, labels, splits)
    same = probe.held_out(found, features, features, labels, splits)
    np.testing.assert_allclose(halfway, (shifted + same) / 2, atol=1e-9)
    assert not np.allclose(shifted, same)


def test_classes_that_count_alike_are_found_alike() -> None:
    """One class in twenty, which overlaps the other."""
    random = np.random.default_rng(0)
    labels = (np.arange(1000) % 20 == 0).astype(np.int64)
    features = random.normal(size=(1000, 2)) + 1.5 * labels[:, None]
    splits = probe.folds(labels, alone(labels), seed=0)

    plain, even = (
        probe.fit(
            features, labels, Classifier.LOGISTIC, splits,
            even=each, metric=Metric.BALANCED_ACCURACY,
        )
        for each in (False, True)
    )  # fmt: skip

    # The best line between two such clouds has 1.5 / sqrt(2) deviations to either side.
    best = norm.cdf(1.5 / np.sqrt(2))
    assert even.score.balanced_accuracy == pytest.approx(best, abs=0.05)
    assert plain.score.balanced_accuracy < best - 0.15
    assert plain.accuracy > even.accuracy
    refitted = probe.refit(even, features, labels)
    np.testing.assert_allclose(refitted.weight, even.head.weight, rtol=1e-6)
