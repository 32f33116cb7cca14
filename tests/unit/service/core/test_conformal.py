"""Prediction sets, held against MAPIE's and against the papers' definitions, word for word."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from mapie.conformity_scores import (
    LACConformityScore,
    RAPSConformityScore,
)

from models.errors import Unsupported
from models.manifest import Lac, Raps
from service.core.classification import ranked
from service.core.conformal import prediction_set, prediction_sets, raps_scores, threshold

Floats = npt.NDArray[np.float64]


@pytest.fixture
def probabilities() -> Floats:
    return np.random.default_rng(3).dirichlet(np.full(8, 0.4), size=300)


def mapie_sets(score: Any, probabilities: Floats, largest: float) -> npt.NDArray[np.bool_]:
    score.quantiles_ = np.array([largest])
    found = score.get_prediction_sets(
        probabilities[:, :, np.newaxis], np.zeros(1), np.array([0.1]), cv="prefit"
    )
    return np.asarray(found[:, :, 0], dtype=bool)


@pytest.mark.parametrize("largest", [0.05, 0.5, 0.9, 0.999, 1.0])
def test_lac_sets_are_those_of_mapie(probabilities: Floats, largest: float) -> None:
    found = prediction_sets(probabilities, Lac(thresholds={"0.9": largest}), 0.9)
    np.testing.assert_array_equal(found, mapie_sets(LACConformityScore(), probabilities, largest))


@pytest.mark.parametrize(
    ("penalty", "k_reg", "thresholds"),
    [
        (0.0, 2, (0.0, 0.3, 0.8, 0.97)),
        (0.01, 2, (0.0, 0.3, 0.8, 0.97, 1.01)),
        (0.2, 3, (0.0, 0.3, 0.8, 0.97, 1.4)),
        (0.5, 5, (0.0, 0.3, 0.8, 0.97, 1.6)),
    ],
)
def test_raps_sets_are_those_of_mapie(
    probabilities: Floats, penalty: float, k_reg: int, thresholds: tuple[float, ...]
) -> None:
    # MAPIE adds the class that crosses the threshold, penalised for the rank before its own.
    score = RAPSConformityScore()
    score.lambda_star, score.k_star = penalty, k_reg - 1
    for largest in thresholds:
        rule = Raps(thresholds={"0.9": largest}, penalty=penalty, k_reg=k_reg)
        found = prediction_sets(probabilities, rule, 0.9)
        np.testing.assert_array_equal(found, mapie_sets(score, probabilities, largest))


def test_raps_scores_are_the_mass_before_a_class_and_a_penalty_by_rank() -> None:
    found = raps_scores(np.array([[0.1, 0.4, 0.2, 0.3]]), penalty=0.05, k_reg=2)
    np.testing.assert_allclose(found, [[0.9 + 0.1, -0.4, 0.7 + 0.05, 0.4]], rtol=1e-12)


def test_the_surest_answers_have_the_lowest_raps_scores() -> None:
    found = raps_scores(np.array([[0.6, 0.4], [0.01, 0.99], [0.0, 1.0]]), penalty=0.5, k_reg=1)
    np.testing.assert_array_equal(found.min(axis=1), [-0.6, -0.99, -1.0])


@pytest.mark.parametrize("classes", [1, 2, 8, 16, 17, 300])
def test_the_set_of_one_image_is_its_row_of_all_sets(classes: int) -> None:
    generator = np.random.default_rng(classes)
    probabilities = generator.dirichlet(np.full(classes, 0.05), size=200)
    probabilities[0] = 1 / classes
    thresholds = {"0.5": 0.0, "0.6": 0.4, "0.7": 0.8, "0.8": 0.97, "0.9": 1.0}
    negative = {"0.2": -0.97, "0.3": -0.5, "0.4": -0.1}
    lac: list[tuple[Lac | Raps, str]] = [(Lac(thresholds=thresholds), c) for c in thresholds]
    raps = Raps(thresholds=negative | thresholds, penalty=0.01, k_reg=3)
    names = [str(index) for index in range(classes)]
    for rule, named in [*lac, *((raps, c) for c in raps.thresholds)]:
        coverage = float(named)
        largest = threshold(rule, coverage)
        sets = prediction_sets(probabilities, rule, coverage)
        for row, expected in zip(probabilities, sets, strict=True):
            found = prediction_set(ranked(row, names), rule, largest)
            assert sorted(member.index for member in found) == np.flatnonzero(expected).tolist()


def test_equal_probabilities_rank_by_index() -> None:
    found = raps_scores(np.tile([[1.0, 3.0]], 512) / 2048, penalty=0.0, k_reg=1) * 2048
    assert found[0, 1] == -3
    np.testing.assert_array_equal(found[0, 3::2], 3 * np.arange(1, 512))
    np.testing.assert_array_equal(found[0, 0::2], 3 * 512 + np.arange(512))


def test_a_raps_set_is_empty_only_where_its_threshold_is_negative(probabilities: Floats) -> None:
    rule = Raps(thresholds={"0.9": 0.0}, penalty=0.5, k_reg=1)
    found = prediction_sets(probabilities, rule, 0.9)
    np.testing.assert_array_equal(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found.argmax(axis=1), probabilities.argmax(axis=1))


@pytest.mark.parametrize("least", [0.4, 0.5, 0.8, 0.9])
def test_under_a_negative_threshold_a_raps_set_is_the_answer_if_that_is_sure_enough(
    probabilities: Floats, least: float
) -> None:
    rule = Raps(thresholds={"0.8": -least}, penalty=0.1, k_reg=1)
    found = prediction_sets(probabilities, rule, 0.8)
    for row, members in zip(probabilities.tolist(), found, strict=True):
        expected = [row.index(max(row))] if max(row) >= least else []
        assert np.flatnonzero(members).tolist() == expected
    assert 0 < found.sum() < len(found)


def test_the_class_at_the_threshold_is_in_the_set() -> None:
    row = np.array([[0.5, 0.25, 0.25]])
    lac = Lac(thresholds={"0.8": 0.75})
    raps = Raps(thresholds={"0.8": 0.5}, penalty=0.0, k_reg=1)
    np.testing.assert_array_equal(prediction_sets(row, lac, 0.8), [[True, True, True]])
    np.testing.assert_array_equal(prediction_sets(row, raps, 0.8), [[True, True, False]])


def test_a_lac_set_is_empty_where_no_class_is_probable_enough() -> None:
    found = prediction_sets(np.array([[0.5, 0.5], [0.9, 0.1]]), Lac(thresholds={"0.8": 0.2}), 0.8)
    np.testing.assert_array_equal(found, [[False, False], [True, False]])


def test_no_score_exceeds_the_largest_though_sums_are_rounded() -> None:
    rounded = 0
    for classes in range(1, 200):
        row = np.append(np.full(classes, 1 / classes), 0)[np.newaxis]
        rounded += row.cumsum()[-1] > 1
        assert raps_scores(row, penalty=0.0, k_reg=1).max() <= 1
        assert raps_scores(row, penalty=0.2, k_reg=2).max() <= 1 + 0.2 * max(classes - 1, 0)
    assert rounded  # or this has shown nothing


def test_a_coverage_that_was_not_fitted_is_refused_with_those_that_were() -> None:
    rule = Lac(thresholds={"0.8": 0.1, "0.95": 0.4})
    with pytest.raises(Unsupported, match=r"coverage 0\.9; possible coverages: 0\.8, 0\.95"):
        prediction_sets(np.array([[0.5, 0.5]]), rule, 0.90)
