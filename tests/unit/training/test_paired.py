"""The paired interval, against the score test computed from its definition, and closed forms."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm, sem

from training.paired import difference_interval, mean_interval

Z = float(norm.ppf(0.975))


def score(difference: float, lost: int, gained: int, images: int) -> float:
    """The score statistic; the nuisance rate maximises the multinomial likelihood numerically."""

    def loss(gaining: float) -> float:
        losing, same = gaining + difference, 1 - 2 * gaining - difference
        counts = ((gained, gaining), (lost, losing), (images - lost - gained, same))
        return -sum(count * math.log(max(rate, 1e-300)) for count, rate in counts if count)

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    gaining = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = 2 * gaining + difference - difference**2
    return float((lost - gained - images * difference) / math.sqrt(images * variance))


@pytest.mark.parametrize(
    ("lost", "gained", "images"), [(7, 1, 21), (1, 7, 21), (3, 9, 32), (40, 20, 160), (5, 5, 340)]
)
def test_its_ends_are_where_the_score_test_begins_to_reject(
    lost: int, gained: int, images: int
) -> None:
    low, high = difference_interval(lost, gained, images)

    assert score(low, lost, gained, images) == pytest.approx(Z, abs=1e-4)
    assert score(high, lost, gained, images) == pytest.approx(-Z, abs=1e-4)


@pytest.mark.parametrize("images", [1, 30, 340])
def test_without_disagreement_it_is_as_wide_as_few_images_make_it(images: int) -> None:
    low, high = difference_interval(0, 0, images)

    # The score test of no disagreement: n d^2 = z^2 |d| (1 - |d|).
    assert high == pytest.approx(Z**2 / (images + Z**2))
    assert low == pytest.approx(-high)


def test_it_gives_the_published_interval_of_a_worked_example() -> None:
    # Fagerland et al. 2014, "Recommended tests and confidence intervals for paired binomial
    # proportions": 21 children, 1 and 7 of whom changed.
    assert difference_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_every_image_lost_leaves_no_higher_difference() -> None:
    low, high = difference_interval(10, 0, 10)

    assert high == 1
    assert 0 < low < 1


def test_it_holds_the_true_difference_nineteen_times_in_twenty() -> None:
    # A multinomial with a true difference of 3 points, of 200 images.
    generator = np.random.default_rng(0)
    draws = generator.multinomial(200, [0.05, 0.02, 0.93], size=4000)
    pairs, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    intervals = [difference_interval(lost, gained, 200) for lost, gained in pairs.tolist()]
    held = [low <= 0.03 <= high for low, high in intervals]

    assert np.average(held, weights=counts) == pytest.approx(0.95, abs=0.015)


def test_the_interval_of_a_mean_is_scipys() -> None:
    differences = np.random.default_rng(0).exponential(size=40)
    expected = norm.interval(0.95, loc=differences.mean(), scale=sem(differences))

    assert mean_interval(differences) == pytest.approx(expected)
    assert mean_interval(np.full(9, 0.25)) == (0.25, 0.25)


def test_one_image_says_nothing_of_a_mean() -> None:
    assert mean_interval(np.array([0.25])) == (-math.inf, math.inf)
