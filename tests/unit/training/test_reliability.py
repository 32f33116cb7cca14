"""Calibration error and risk-coverage, held against torchmetrics, MAPIE and plain counting."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from mapie.metrics.uncertainty import auarc
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error

from training import reliability
from training.reliability import (
    ece_of_calibrated,
    expected_calibration_error,
    reliability_bins,
    risk_coverage,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def answers(count: int, *, seed: int = 0, overconfident: float = 0.0) -> tuple[Floats, Bools]:
    generator = np.random.default_rng(seed)
    confidence = generator.uniform(0.3, 1.0, count)
    return confidence, generator.random(count) < confidence - overconfident


def error(confidence: Floats, correct: Bools) -> float:
    return expected_calibration_error(reliability_bins(confidence, correct))


def test_the_error_is_that_of_torchmetrics_where_equal_mass_is_equal_width() -> None:
    confidence = (np.arange(1500) + 0.5) / 1500
    correct = np.random.default_rng(0).random(1500) < confidence**2
    expected = binary_calibration_error(
        torch.tensor(confidence), torch.tensor(correct).int(), n_bins=15, norm="l1"
    )
    shuffled = np.random.default_rng(1).permutation(1500)
    found = error(confidence[shuffled], correct[shuffled])
    assert found == pytest.approx(float(expected), rel=1e-9)


def test_bins_are_those_of_scikit_learn() -> None:
    confidence, correct = answers(1500)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=15, strategy="quantile")
    bins = reliability_bins(confidence, correct)
    assert [part.confidence for part in bins] == pytest.approx(mean, rel=1e-12)
    assert [part.accuracy for part in bins] == pytest.approx(accuracy, rel=1e-12)


@pytest.mark.parametrize("count", [15, 100, 997])
def test_bins_hold_equally_many_images(count: int) -> None:
    counts = [part.count for part in reliability_bins(*answers(count))]
    assert len(counts) == 15
    assert sum(counts) == count
    assert max(counts) - min(counts) <= 1


def test_fewer_images_than_bins_have_a_bin_each() -> None:
    bins = reliability_bins(np.array([0.9, 0.4]), np.array([True, False]))
    assert [(b.confidence, b.accuracy, b.count) for b in bins] == [(0.4, 0, 1), (0.9, 1, 1)]


def test_equal_confidences_share_a_bin() -> None:
    confidence = np.repeat([0.5, 0.8], [40, 60])
    correct = np.arange(100) % 4 > 0
    bins = reliability_bins(confidence, correct)
    assert [(b.accuracy, b.count) for b in bins] == [(0.75, 40), (0.75, 60)]
    assert error(confidence, correct) == pytest.approx(0.4 * 0.25 + 0.6 * 0.05)


def test_a_calibrated_model_exceeds_the_reference_one_time_in_twenty() -> None:
    confidence, _ = answers(300)
    reference = ece_of_calibrated(confidence)
    generator = np.random.default_rng(7)
    above = [error(confidence, generator.random(300) < confidence) > reference for _ in range(1000)]
    # Binomial around 1 in 20; the reference itself is an estimate from as many draws.
    assert 20 <= sum(above) <= 90


def test_an_overconfident_model_exceeds_the_reference() -> None:
    confidence, correct = answers(1000, overconfident=0.15)
    assert error(confidence, correct) > 2 * ece_of_calibrated(confidence)


def test_more_images_make_chance_smaller() -> None:
    few, many = (ece_of_calibrated(answers(count)[0]) for count in (100, 10_000))
    assert few == pytest.approx(10 * many, rel=0.3)


def test_the_reference_is_the_same_every_time_and_in_every_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    confidence, _ = answers(100)
    whole = ece_of_calibrated(confidence)
    monkeypatch.setattr(reliability, "_BLOCK", 700)
    assert ece_of_calibrated(confidence) == whole
    assert ece_of_calibrated(confidence, seed=1) != whole


def test_the_mean_risk_is_one_minus_the_mean_accuracy_of_mapie() -> None:
    confidence, correct = answers(500)
    found = risk_coverage(confidence, correct)
    assert found.aurc == pytest.approx(1 - auarc(correct.astype(int), confidence), rel=1e-12)


def test_the_risk_is_the_error_rate_of_the_most_confident() -> None:
    confidence, correct = answers(200)
    found = risk_coverage(confidence, correct)
    for count in (1, 50, 200):
        threshold = np.sort(confidence)[-count]
        assert found.coverage[count - 1] == count / 200
        assert found.risk[count - 1] == pytest.approx(1 - correct[confidence >= threshold].mean())


def test_equal_confidences_have_one_risk_in_any_order() -> None:
    found = risk_coverage(np.full(10, 0.7), np.arange(10) < 7)
    np.testing.assert_allclose(found.risk, 0.3)
