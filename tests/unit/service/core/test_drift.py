"""Statistics of drift against scipy, and alarms on scikit-learn's handwritten digits."""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import jensenshannon, mahalanobis
from scipy.stats import entropy
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from models.reference import BINS, Reference
from service.core import drift
from service.core.drift import FALSE_ALARMS, Baseline, Statistic, Window

SIZE = 100
LEARNED = 600
SPLITS, WINDOWS = 10, 100

Digits = npt.NDArray[np.float64]


def shares(seed: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).dirichlet(np.ones(7))


def test_the_stability_index_is_the_divergence_both_ways() -> None:
    p, q = shares(0), shares(1)
    both_ways = entropy(p, q) + entropy(q, p)
    assert drift.population_stability_index(p, q) == pytest.approx(both_ways)


def test_the_divergence_from_the_average_is_scipy_s() -> None:
    p, q = shares(2), shares(3)
    assert drift.jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2)


def test_equal_shares_are_no_distance_apart() -> None:
    p = shares(4)
    assert drift.population_stability_index(p, p) == drift.jensen_shannon(p, p) == 0


def test_a_class_that_was_never_seen_has_a_share() -> None:
    assert drift.shares(np.array([3, 0])) == pytest.approx([3.5 / 4, 0.5 / 4])


def test_the_distance_of_the_means_is_scipy_s_mahalanobis() -> None:
    random = np.random.default_rng(0)
    embedding = random.normal(size=(400, 3)) @ random.normal(size=(3, 3))
    reference = referring(embedding, np.zeros(400, dtype=np.int64), np.full(400, 0.5))
    exact = reference.embedding.astype(np.float64)
    live = random.normal(size=(SIZE, 3))
    window = Window(np.zeros(SIZE, dtype=np.int64), np.full(SIZE, 0.5), live)

    found = drift.compare(window, drift.baseline(reference, SIZE))

    inverse = np.linalg.inv(np.cov(exact.T, bias=True))
    expected = mahalanobis(live.mean(axis=0), exact.mean(axis=0), inverse)
    assert found[Statistic.EMBEDDING] == pytest.approx(expected, rel=1e-6)


def test_embeddings_that_are_all_the_same_raise_no_alarm() -> None:
    reference = referring(np.ones((5, 3)), np.zeros(5, dtype=np.int64), np.full(5, 0.5))
    window = Window(np.zeros(SIZE, dtype=np.int64), np.full(SIZE, 0.5), np.ones((SIZE, 3)))
    assert not alarms(window, drift.baseline(reference, SIZE))


@cache
def classifier() -> MLPClassifier:
    pixels, labels = load_digits(return_X_y=True)
    return MLPClassifier((32,), max_iter=2000, random_state=0).fit(
        pixels[:LEARNED] / 16, labels[:LEARNED]
    )


def answers(pixels: Digits) -> Window:
    """What a classifier says of digits [n, 64]; its hidden layer is the embedding."""
    network = classifier()
    probabilities = network.predict_proba(pixels)
    hidden = np.maximum(pixels @ network.coefs_[0] + network.intercepts_[0], 0)
    return Window(probabilities.argmax(axis=1), probabilities.max(axis=1), hidden)


def referring(
    embedding: npt.NDArray[np.float64],
    predicted: npt.NDArray[np.int64],
    confidence: npt.NDArray[np.float64],
) -> Reference:
    return Reference(
        embedding.astype(np.float16),
        predicted,
        np.array([str(number) for number in range(len(predicted))]),
        np.bincount(predicted, minlength=10),
        np.histogram(confidence, BINS, (0, 1))[0],
    )


@cache
def split(seed: int) -> tuple[Baseline, Digits, npt.NDArray[np.int64]]:
    """Digits that were not learned, in two: a baseline from some, the others with labels."""
    pixels, labels = load_digits(return_X_y=True)
    order = LEARNED + np.random.default_rng(seed).permutation(len(labels) - LEARNED)
    known, stream = order[:600], order[600:]
    seen = answers(pixels[known] / 16)
    reference = referring(np.asarray(seen.embedding), seen.predicted, seen.confidence)
    return drift.baseline(reference, SIZE), pixels[stream] / 16, labels[stream]


def alarms(window: Window, baseline: Baseline) -> set[Statistic]:
    found = drift.compare(window, baseline)
    return {each for each in Statistic if found[each] > baseline.thresholds[each]}


def windows(stream: Digits, seed: int, count: int) -> list[Digits]:
    random = np.random.default_rng(seed)
    return [stream[random.permutation(len(stream))[:SIZE]] for _ in range(count)]


def test_undisturbed_traffic_raises_alarms_no_more_often_than_stated() -> None:
    """Over splits, too, for a reference is a sample: 1,000 windows in all."""
    raised = 0
    for seed in range(SPLITS):
        baseline, stream, _ = split(seed)
        for window in windows(stream, seed, WINDOWS):
            raised += bool(alarms(answers(window), baseline))
    assert raised <= FALSE_ALARMS * SPLITS * WINDOWS


def blurred(stream: Digits, _: npt.NDArray[np.int64]) -> Digits:
    soft: Digits = gaussian_filter(stream.reshape(-1, 8, 8), (0, 1, 1))
    return soft.reshape(-1, 64)


def darkened(stream: Digits, _: npt.NDArray[np.int64]) -> Digits:
    return stream * 0.6


def of_half_the_classes(stream: Digits, labels: npt.NDArray[np.int64]) -> Digits:
    return stream[labels < 5]


@pytest.mark.parametrize("disturbed", [blurred, darkened, of_half_the_classes])
def test_disturbed_traffic_is_noticed_in_its_first_window(
    disturbed: Callable[[Digits, npt.NDArray[np.int64]], Digits],
) -> None:
    baseline, stream, labels = split(0)
    for window in windows(disturbed(stream, labels), 0, WINDOWS):
        assert alarms(answers(window), baseline)
