"""Certificates: scipy's bounds and quantiles, and a linear model's true radius."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, norm

from service.core.network import Floats
from service.core.robustness.smoothing import certify, lower_bound


@pytest.mark.parametrize("alpha", [0.001, 0.05])
@pytest.mark.parametrize(
    ("hits", "n"), [(0, 10), (1, 10), (7, 10), (10, 10), (990, 1000), (1000, 1000)]
)
def test_the_lower_bound_is_clopper_and_pearsons(hits: int, n: int, alpha: float) -> None:
    expected = beta.ppf(alpha, hits, n - hits + 1) if hits else 0

    assert lower_bound(hits, n, alpha) == pytest.approx(expected, rel=1e-9)


def test_on_a_linear_model_the_radius_is_the_distance_but_never_above(
    linear: Callable[[int], Any], greyish: Floats
) -> None:
    model = linear(2)
    distance = model.boundary(greyish, 2)
    sigma = float(np.median(distance) / norm.ppf(0.95))
    # Where the answer holds under most of the noise, but not all of it, the bound is tight.
    held = norm.cdf(distance / sigma)
    tight = np.flatnonzero((held >= 0.8) & (held <= 0.995))[:8]

    assert len(tight) == 8
    for image, true in zip(greyish[tight], distance[tight], strict=True):
        found = certify(model.network, image, sigma=sigma, n=100_000)
        assert found.answer == model.logits(image[None])[0].argmax()
        assert found.radius <= true
        assert found.radius >= 0.95 * true


def test_the_radius_is_the_papers_of_the_counts(digits: Any) -> None:
    image = digits.images[0]
    generator = np.random.default_rng(7)
    drawn = generator.standard_normal((100, 3, 8, 8), dtype=np.float32)
    top = digits.network.logits(image + np.float32(0.3) * drawn).argmax(axis=1)
    answer = np.bincount(top).argmax()
    drawn = generator.standard_normal((500, 3, 8, 8), dtype=np.float32)
    hits = (digits.network.logits(image + np.float32(0.3) * drawn).argmax(axis=1) == answer).sum()
    expected = 0.3 * norm.ppf(beta.ppf(0.001, hits, 500 - hits + 1))

    found = certify(digits.network, image, sigma=0.3, n=500, seed=7)

    assert found.answer == answer
    assert found.radius == pytest.approx(expected, rel=1e-9)


def test_it_abstains_where_noise_decides(linear: Callable[[int], Any]) -> None:
    model = linear(2)
    undecided = np.full((3, 4, 4), 0.5, dtype=np.float32)

    found = certify(model.network, undecided, sigma=0.5, n=200)

    assert found.answer is None
    assert found.radius == 0


def test_one_seed_makes_one_certificate(digits: Any) -> None:
    first, again, other = (
        certify(digits.network, digits.images[1], sigma=0.6, n=200, seed=seed) for seed in (1, 1, 2)
    )

    assert first == again
    assert first.seed == 1
    assert first.radius != other.radius
