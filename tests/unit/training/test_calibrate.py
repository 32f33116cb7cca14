"""Fits on held-out data, held against scipy, MAPIE, scikit-learn, and the promised coverage."""

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.optimize
import scipy.special
import scipy.stats
from mapie.conformity_scores import (
    LACConformityScore,
    RAPSConformityScore,
)
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from models.errors import DataError, TrainingError
from models.manifest import Lac, Raps
from service.core import ood
from service.core.classification import softmax
from service.core.conformal import prediction_sets
from training.calibrate import (
    TEMPERATURES,
    coverage_reached,
    fit_conformal,
    fit_decision,
    fit_ood,
    fit_temperature,
    quantile,
)
from training.evaluate import evaluate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def draws(images: int, *, seed: int, classes: int = 6, spread: float = 0.3) -> tuple[Floats, Ints]:
    """Probabilities, the surer the smaller `spread` is, and labels drawn from them."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, spread), size=images)
    positions = generator.random((images, 1))
    labels = (probabilities.cumsum(axis=1) < positions).sum(axis=1)
    return probabilities, np.minimum(labels, classes - 1)


def loss(logits: Floats, labels: Ints, temperature: float) -> float:
    """Of the images, and of one more that is each of them in equal parts, of no known class."""
    likely = scipy.special.log_softmax(logits / temperature, axis=1)
    own = likely[np.arange(len(labels)), labels]
    return -float(own.sum() + likely.mean()) / (1 + len(labels))


@pytest.mark.parametrize("scale", [0.2, 1.0, 6.0])
def test_the_temperature_has_the_least_loss(scale: float) -> None:
    probabilities, labels = draws(500, seed=0)
    logits = scale * np.log(probabilities + 1e-6)
    expected = scipy.optimize.minimize_scalar(
        lambda log: loss(logits, labels, np.exp(log)), bounds=np.log(TEMPERATURES), method="bounded"
    )
    found = fit_temperature(logits.astype(np.float32), labels)
    assert found == pytest.approx(np.exp(expected.x), rel=1e-3)
    grid = np.geomspace(*TEMPERATURES, 300)
    assert loss(logits, labels, found) <= min(loss(logits, labels, t) for t in grid) + 1e-9


@pytest.mark.parametrize("images", [10, 100, 1000])
@pytest.mark.parametrize("margin", [2.0, 20.0])
def test_of_answers_that_are_all_right_no_certainty_follows(images: int, margin: float) -> None:
    labels = np.arange(images) % 2
    logits = margin * np.eye(2)[labels]

    sure = softmax(logits, fit_temperature(logits, labels)).max(axis=1)

    # Laplace's rule of succession, for two classes: of one more image half counts as wrong.
    assert sure == pytest.approx(1 - 0.5 / (images + 1), abs=1e-6)


def test_where_all_answers_are_wrong_the_temperature_is_the_highest() -> None:
    labels = np.arange(10) % 4
    assert fit_temperature(np.eye(4)[(labels + 1) % 4], labels) == TEMPERATURES[1]


def test_inflated_logits_of_real_images_come_back_to_their_temperature() -> None:
    images, labels = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=200).fit(images[:150], labels[:150])
    logits = model.decision_function(images)
    fit, test = slice(150, 900), slice(900, None)
    natural = fit_temperature(logits[fit], labels[fit])
    found = fit_temperature(5 * logits[fit], labels[fit])
    assert found == pytest.approx(5 * natural, rel=1e-6)

    names = tuple("0123456789")
    before = evaluate(5 * logits[test], labels[test], names)
    after = evaluate(5 * logits[test], labels[test], names, temperature=found)
    assert after.top1 == before.top1
    assert after.ece < before.ece / 2
    losses = [
        log_loss(labels[test], scipy.special.softmax(5 * logits[test] / t, axis=1))
        for t in (found, 1.0)
    ]
    assert losses[0] < losses[1]


def mapie_quantiles(
    probabilities: Floats, labels: Ints, raps: Raps, coverages: list[float]
) -> tuple[Floats, Floats]:
    """MAPIE's thresholds of LAC and RAPS; the mass of the true class itself is left out."""

    class Ones(np.random.RandomState):
        def uniform(self, *_: Any, size: int) -> Floats:  # type: ignore[override]
            return np.ones(size)

    alphas = 1 - np.array(coverages)
    classes = np.arange(probabilities.shape[1])
    lac, score = LACConformityScore(), RAPSConformityScore()
    own = lac.get_conformity_scores(labels, probabilities, y_enc=labels)
    score.classes, score.random_state = classes, Ones(0)
    mass = super(RAPSConformityScore, score).get_conformity_scores(
        labels, probabilities, y_enc=labels
    )
    many = len(coverages)
    penalised = score._regularize_conformity_score(  # noqa: SLF001 - MAPIE fits it privately
        np.full(many, raps.k_reg), np.full(many, raps.penalty), mass, score.cutoff
    )
    both = (
        lac.get_conformity_score_quantiles(own, alphas, cv="prefit"),
        super(RAPSConformityScore, score).get_conformity_score_quantiles(
            penalised, alphas, cv="prefit"
        ),
    )
    return both[0], both[1]


def test_thresholds_are_those_of_mapie() -> None:
    probabilities, labels = draws(503, seed=1)
    found = fit_conformal(probabilities, labels, seed=4)
    fitting = np.random.default_rng(4).permutation(503)[100:]
    coverages = [0.8, 0.9, 0.95]
    lac, _ = mapie_quantiles(probabilities, labels, found.raps, coverages)
    _, raps = mapie_quantiles(probabilities[fitting], labels[fitting], found.raps, coverages)
    assert list(found.lac.thresholds) == ["0.8", "0.9", "0.95"]
    np.testing.assert_allclose(list(found.lac.thresholds.values()), lac, rtol=1e-12)
    np.testing.assert_allclose(list(found.raps.thresholds.values()), raps, rtol=1e-12)


@pytest.mark.parametrize("kind", ["lac", "raps"])
def test_coverage_is_as_promised(kind: str) -> None:
    coverage, images, repetitions = 0.8, 39, 1000
    fitted_on = images if kind == "lac" else images - images // 5
    held = 0
    for seed in range(repetitions):
        probabilities, labels = draws(images + 1, seed=seed)
        found = fit_conformal(probabilities[1:], labels[1:], [coverage])
        rule: Lac | Raps = getattr(found, kind)
        held += bool(prediction_sets(probabilities[:1], rule, coverage)[0, labels[0]])
    # One new image each: a binomial number, but for one chance in ten thousand at either end.
    assert held >= scipy.stats.binom.ppf(1e-4, repetitions, coverage)
    most = coverage + 1 / (fitted_on + 1)
    assert held <= scipy.stats.binom.ppf(1 - 1e-4, repetitions, most)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("kind", ["lac", "raps"])
def test_a_model_that_is_right_more_often_than_promised_covers_no_more_than_that(
    kind: str, coverage: float
) -> None:
    images, new, repetitions = 250, 300, 400
    fitted_on = images if kind == "lac" else images - images // 5
    # How many of the new images a set covers, over calibration and test: Angelopoulos & Bates
    # 2021, "A gentle introduction to conformal prediction", appendix C.
    place = -((-(fitted_on + 1) * Fraction(str(coverage))) // 1)
    law = scipy.stats.betabinom(new, int(place), int(fitted_on + 1 - place))
    fewest, most = law.interval(0.99)
    held, right = [], []
    for seed in range(repetitions):
        probabilities, labels = draws(images + new, seed=seed, spread=0.015)
        found = fit_conformal(probabilities[new:], labels[new:], [coverage])
        rule: Lac | Raps = getattr(found, kind)
        sets = prediction_sets(probabilities[:new], rule, coverage)
        held.append(int(sets[np.arange(new), labels[:new]].sum()))
        right.append(np.mean(probabilities[:new].argmax(axis=1) == labels[:new]))
    assert np.mean(right) > coverage
    # Each but for one chance in ten thousand.
    outside = sum(not fewest <= each <= most for each in held)
    assert outside <= scipy.stats.binom.ppf(1 - 1e-4, repetitions, 0.01)
    assert scipy.stats.ttest_1samp(held, law.mean()).pvalue > 1e-4


@pytest.mark.parametrize(("images", "certain"), [(0, 0), (1, 0), (8, 1), (18, 2), (19, 3)])
def test_too_few_images_for_a_coverage_include_every_class(images: int, certain: int) -> None:
    # A threshold for coverage c needs at least c / (1 - c) images: 4, 9 and 19.
    probabilities, labels = draws(images, seed=2)
    found = fit_conformal(probabilities, labels)
    new, _ = draws(200, seed=3)
    everything = [prediction_sets(new, found.lac, c).all() for c in (0.8, 0.9, 0.95)]
    assert everything == [False] * certain + [True] * (3 - certain)
    # RAPS fits its thresholds on four fifths of them.
    certain = sum(images - images // 5 >= needed for needed in (4, 9, 19))
    everything = [prediction_sets(new, found.raps, c).all() for c in (0.8, 0.9, 0.95)]
    assert everything == [False] * certain + [True] * (3 - certain)


@pytest.mark.parametrize("coverage", ["0.55", "0.8", "0.9", "0.95"])
def test_the_quantile_takes_the_place_that_exact_arithmetic_gives(coverage: str) -> None:
    for images in range(1, 2000):
        place = -((-(images + 1) * Fraction(coverage)) // 1)  # rounded up
        found = quantile(np.arange(1, images + 1), float(coverage), largest=np.inf)
        assert found == (place if place <= images else np.inf)


def test_the_penalty_keeps_sets_small_where_the_true_class_is_among_the_first() -> None:
    generator = np.random.default_rng(0)
    probabilities = np.sort(generator.dirichlet(np.full(50, 0.3), size=1000))[:, ::-1]
    labels = generator.choice(3, 1000, p=[0.7, 0.2, 0.1])
    found = fit_conformal(probabilities, labels)
    assert found.raps.k_reg == 3
    assert prediction_sets(probabilities, found.raps, 0.95).sum(axis=1).max() <= 4
    free = found.raps.model_copy(update={"penalty": 0.0})
    assert prediction_sets(probabilities, free, 0.95).sum(axis=1).max() > 4


def test_of_a_model_that_is_always_right_the_least_certain_answers_are_left_empty() -> None:
    labels = np.arange(500) % 5
    sure = np.random.default_rng(0).permutation(np.linspace(0.5, 0.9, 500))
    probabilities = np.repeat((1 - sure[:, np.newaxis]) / 4, 5, axis=1)
    probabilities[np.arange(500), labels] = sure
    found = fit_conformal(probabilities, labels, seed=4)
    sets = prediction_sets(probabilities, found.raps, 0.9)
    full = sets.sum(axis=1) > 0
    np.testing.assert_array_equal(sets[full], np.eye(5)[labels[full]])
    assert sure[~full].max() < sure[full].min()
    # Of the 400 that the threshold was fitted on, 0.9 of one more: rounded up, 361.
    fitting = np.random.default_rng(4).permutation(500)[100:]
    assert full[fitting].sum() == 361


def test_the_coverage_reached_is_the_share_of_sets_with_the_true_class() -> None:
    sets = np.array([[True, False], [True, True], [False, False], [False, True]])
    assert coverage_reached(sets, np.array([0, 1, 0, 0])) == 0.5


@pytest.fixture
def digits() -> Floats:
    images, _ = load_digits(return_X_y=True)
    return np.asarray(images, dtype=np.float64)


def test_ood_quantiles_are_those_of_the_scores(digits: Floats) -> None:
    digits = digits[:500, 16:48]  # as many as there are axes, or a neighbour might be missed
    rows = np.arange(100, 400)
    logits = digits[rows, 4:14]
    found = fit_ood(logits, digits, rows, np.arange(500))
    energies = -scipy.special.logsumexp(logits, axis=1)
    # Without points to search for, scikit-learn leaves each out of its own neighbours.
    search = NearestNeighbors(n_neighbors=1).fit(normalize(digits))
    distances = search.kneighbors()[0][rows, 0]
    ranks = np.arange(101)
    assert found.k == 1
    np.testing.assert_allclose(found.energy, np.percentile(energies, ranks), rtol=1e-12)
    np.testing.assert_allclose(found.nearest_neighbour, np.percentile(distances, ranks), atol=1e-6)


def test_of_many_images_some_are_compared_with() -> None:
    images = np.random.default_rng(0).standard_normal((5000, 4))
    found = fit_ood(np.zeros((5000, 2)), images, np.arange(5000), np.arange(5000))
    known = ood.representatives(5000)
    others = np.setdiff1d(np.arange(5000), known)
    search = NearestNeighbors(n_neighbors=1).fit(normalize(images[known]))
    of_known = search.kneighbors()[0][:, 0]
    of_others = search.kneighbors(normalize(images[others]))[0][:, 0]
    expected = np.percentile(np.concatenate([of_known, of_others]), np.arange(101))
    assert (len(known), found.k) == (512, 1)
    np.testing.assert_allclose(found.nearest_neighbour, expected, atol=1e-5)


def test_near_duplicates_are_no_neighbours(digits: Floats) -> None:
    once = fit_ood(np.zeros((200, 2)), digits[:200], np.arange(200), np.arange(200))
    noise = np.random.default_rng(0).standard_normal((600, 64))
    thrice = np.repeat(digits[:200], 3, axis=0) + 0.01 * noise
    groups = np.repeat(np.arange(200), 3)
    found = fit_ood(np.zeros((600, 2)), thrice, np.arange(600), groups)
    # Not all 600 are compared with, but of nearly every image one of the three is.
    np.testing.assert_allclose(found.nearest_neighbour, once.nearest_neighbour, atol=0.02)


def test_noise_is_further_out_than_nine_of_ten_digits(digits: Floats) -> None:
    found = fit_ood(digits[:500, 20:30], digits[:500], np.arange(500), np.arange(500))
    noise = np.random.default_rng(0).uniform(0, 16, (100, 64))
    known = ood.compared(digits[:500])
    scores = [ood.nearest_neighbour(image, known, found.k) for image in noise]
    assert min(ood.percentile(score, found.nearest_neighbour) for score in scores) > 90


def test_accepted_answers_are_as_often_right_as_was_asked_and_no_more_are_refused() -> None:
    probabilities, labels = draws(2000, seed=8)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels

    least = fit_decision(probabilities, labels).min_probability

    # By a loop over every threshold that there is.
    # One more right answer and one more wrong one are taken to have been seen.
    enough = [
        value
        for value in confidence
        if np.append(right[confidence >= value], [1, 0]).mean() >= 0.95
    ]
    assert least == pytest.approx(min(enough), abs=1e-3)
    assert 0 < least <= min(enough)


def test_where_no_answer_is_right_none_is_accepted() -> None:
    probabilities, _ = draws(20, seed=8)
    wrong = probabilities.argmin(axis=1)
    assert fit_decision(probabilities, wrong).min_probability == 1


def test_certain_answers_that_are_right_are_accepted() -> None:
    certain = np.tile([1.0, 0.0], (30, 1))
    assert fit_decision(certain, np.zeros(30, dtype=np.int64)).min_probability == 0.999


@pytest.mark.parametrize(
    ("right", "least"),
    [
        ([True] * 10, 1.0),  # 11/12 is less than 19/20
        ([True] * 17, 1.0),
        ([True] * 18, 0.63),  # the least confidence below
        ([True] + [False] * 9, 1.0),  # one that is right shows nothing
        ([True] * 18 + [False] * 9, 0.63),
        ([True] * 17 + [False], 1.0),
    ],
)
def test_a_few_right_answers_are_no_ground_to_accept(right: list[bool], least: float) -> None:
    confidence = 0.8 - 0.01 * np.arange(len(right))
    labels = np.where(right, 0, 1)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    assert fit_decision(probabilities, labels).min_probability == pytest.approx(least, abs=1e-3)


def test_what_nothing_can_be_fitted_on_is_refused() -> None:
    none, labels = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
    with pytest.raises(DataError, match="no held-out images"):
        fit_temperature(none, labels)
    with pytest.raises(DataError, match="no held-out images"):
        fit_ood(none, np.ones((4, 3)), labels, np.arange(4))
    with pytest.raises(DataError, match="to compare others with"):
        fit_ood(np.ones((2, 3)), np.ones((2, 3)), np.arange(2), np.zeros(2, dtype=np.int64))
    with pytest.raises(TrainingError, match="1 of 2 images are not finite"):
        fit_temperature(np.array([[0.0, 1.0], [np.nan, 0.0]]), np.array([0, 1]))
