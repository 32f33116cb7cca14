"""The numbers of an evaluation, held against scikit-learn."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.special
from sklearn import metrics

from models.errors import DataError, TrainingError
from training.evaluate import evaluate

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

NAMES = tuple("abcdefgh")


def problem(images: int = 400, classes: int = 8) -> tuple[Floats, Ints]:
    """Logits that are right about half of the time, classes of different sizes."""
    generator = np.random.default_rng(5)
    labels = generator.choice(classes, images, p=np.arange(1, classes + 1) / (classes + 1) / 4)
    logits = generator.standard_normal((images, classes)) + 1.5 * np.eye(classes)[labels]
    return logits.astype(np.float32), labels


def test_accuracies_are_those_of_scikit_learn() -> None:
    logits, labels = problem()
    found, predicted = evaluate(logits, labels, NAMES), logits.argmax(axis=1)
    assert found.top1 == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.top5 == pytest.approx(metrics.top_k_accuracy_score(labels, logits, k=5))
    expected = metrics.balanced_accuracy_score(labels, predicted)
    assert found.balanced_accuracy == pytest.approx(expected)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(labels, predicted))


def test_class_scores_are_those_of_scikit_learn_even_of_absent_classes() -> None:
    logits, labels = problem()
    logits[:, 2] = -99  # never predicted
    labels[labels == 3] = 4  # never true
    found, predicted = evaluate(logits, labels, NAMES), logits.argmax(axis=1)
    rows = [(c.precision, c.recall, c.f1, c.support) for c in found.classes]
    expected = metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(8), zero_division=0
    )
    np.testing.assert_allclose(rows, np.transpose(expected), rtol=1e-12)
    assert [c.name for c in found.classes] == list(NAMES)
    present = metrics.recall_score(
        labels, predicted, labels=np.unique(labels), average="macro", zero_division=0
    )
    assert found.balanced_accuracy == pytest.approx(present)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_labels_may_have_any_integer_dtype(dtype: type[np.integer]) -> None:
    labels = np.full(3, 20, dtype=dtype)
    logits = np.eye(30, dtype=np.float32)[[20, 20, 5]]
    found = evaluate(logits, labels, tuple(map(str, range(30))))
    assert found.confusion[20, 20] == 2
    assert found.confusion[20, 5] == 1


@pytest.mark.parametrize(("classes", "stated"), [(5, False), (6, True)])
def test_top5_is_stated_where_there_are_more_than_five_classes(classes: int, stated: bool) -> None:  # noqa: FBT001 - a parameter of the test
    logits, labels = np.zeros((4, classes)), np.arange(4)
    found = evaluate(logits, labels, NAMES[:classes])
    assert (found.top5 is not None) == stated
    assert ("top5" in found.metrics) == stated


def test_a_tie_at_the_fifth_place_goes_to_the_lower_index() -> None:
    found = evaluate(np.zeros((2, 8)), np.array([4, 5]), NAMES)
    assert found.top5 == 0.5


def test_the_surest_mistakes_come_first_and_are_at_most_twelve() -> None:
    logits, labels = problem()
    found = evaluate(logits, labels, NAMES, temperature=2.0)
    probabilities = scipy.special.softmax(logits.astype(np.float64) / 2, axis=1)
    wrong = {
        index: float(row.max())
        for index, row in enumerate(probabilities)
        if row.argmax() != labels[index]
    }
    surest = sorted(wrong, key=lambda index: -wrong[index])[:12]
    assert [mistake.index for mistake in found.mistakes] == surest
    for mistake in found.mistakes:
        assert mistake.probability == pytest.approx(wrong[mistake.index])
        assert mistake.label == NAMES[labels[mistake.index]]
        assert mistake.predicted == NAMES[logits[mistake.index].argmax()]


def test_no_mistakes_are_no_mistakes() -> None:
    found = evaluate(np.eye(8), np.arange(8), NAMES)
    assert found.mistakes == ()
    assert found.risk_coverage.aurc == 0


def test_confidence_is_judged_at_the_temperature() -> None:
    logits, labels = problem()
    found = evaluate(logits * 3, labels, NAMES, temperature=3.0)
    assert found.ece == pytest.approx(evaluate(logits, labels, NAMES).ece)
    assert found.ece < evaluate(logits * 3, labels, NAMES).ece
    mean = scipy.special.softmax(logits.astype(np.float64), axis=1).max(axis=1).mean()
    total = sum(part.count * part.confidence for part in found.reliability)
    assert total / len(labels) == pytest.approx(mean)


def test_metrics_are_named_numbers() -> None:
    found = evaluate(*problem(), NAMES)
    assert found.metrics == {
        "top1": found.top1,
        "top5": found.top5,
        "balanced_accuracy": found.balanced_accuracy,
        "ece": found.ece,
        "ece_of_calibrated": found.ece_of_calibrated,
        "aurc": found.risk_coverage.aurc,
    }


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="no held-out images"):
        evaluate(np.zeros((0, 8)), np.zeros(0, dtype=np.int64), NAMES)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_of_a_network_that_diverged_are_refused(value: float) -> None:
    logits, labels = problem()
    logits[[3, 3, 7], [0, 1, 2]] = value
    with pytest.raises(TrainingError, match="of 2 of 400 images are not finite"):
        evaluate(logits, labels, NAMES)
