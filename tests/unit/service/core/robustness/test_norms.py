"""Projections and steps have the properties that define them, whatever they are given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.network import Floats
from service.core.robustness.norms import (
    Norm,
    dual_length,
    length,
    project,
    random_start,
    steepest,
)

ROUNDING = 1e-6

norms = pytest.mark.parametrize("norm", Norm)


def drawn(seed: int, count: int = 4) -> Floats:
    return np.random.default_rng(seed).random((count, 3, 5, 4), dtype=np.float32)


@norms
@given(seed=st.integers(0, 10_000), eps=st.floats(0, 1), reach=st.floats(0, 10))
@settings(deadline=None)
def test_a_projection_is_an_image_of_the_ball(
    norm: Norm, seed: int, eps: float, reach: float
) -> None:
    images = drawn(seed)
    moved = images + np.float32(reach) * (drawn(seed + 1) - np.float32(0.5))

    found = project(moved, images, norm, np.full(4, eps, dtype=np.float32))

    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    order = np.inf if norm is Norm.LINF else 2
    change = (found - images).reshape(4, -1)
    assert (np.linalg.norm(change, ord=order, axis=1) <= eps + ROUNDING).all()


@norms
def test_what_lies_in_the_ball_stays_where_it_is(norm: Norm) -> None:
    images = drawn(0) * np.float32(0.5) + np.float32(0.25)
    moved = images + np.float32(0.001) * (drawn(1) - np.float32(0.5))

    found = project(moved, images, norm, np.full(4, 0.1, dtype=np.float32))

    np.testing.assert_allclose(found, moved, atol=1e-7)


def test_an_l2_projection_is_along_the_radius() -> None:
    images = np.full((1, 3, 5, 4), 0.5, dtype=np.float32)
    change = drawn(1, 1) - np.float32(0.5)

    found = project(images + change, images, Norm.L2, np.array([0.1], dtype=np.float32)) - images

    np.testing.assert_allclose(found, change * 0.1 / np.linalg.norm(change), atol=1e-6)


@norms
def test_each_image_has_an_eps_of_its_own(norm: Norm) -> None:
    images = np.full((3, 3, 5, 4), 0.5, dtype=np.float32)
    eps = np.array([0.0, 0.01, 0.1], dtype=np.float32)

    found = project(np.ones_like(images), images, norm, eps)

    np.testing.assert_allclose(length(found - images, norm), eps, rtol=1e-4, atol=1e-7)


@norms
@given(seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_no_step_of_the_same_length_rises_more(norm: Norm, seed: int) -> None:
    gradient = drawn(seed) - np.float32(0.5)

    step = steepest(gradient, norm)

    rise = (step * gradient).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(length(step, norm), 1, rtol=1e-5)
    np.testing.assert_allclose(rise, dual_length(gradient, norm), rtol=1e-4)
    other = drawn(seed + 1) - np.float32(0.5)
    other /= length(other, norm).astype(np.float32)[:, None, None, None]
    assert ((other * gradient).sum(axis=(1, 2, 3)) <= rise + ROUNDING).all()


@norms
def test_a_zero_gradient_is_no_step(norm: Norm) -> None:
    assert not steepest(np.zeros((2, 3, 5, 4), dtype=np.float32), norm).any()


@norms
def test_a_random_start_fills_the_ball(norm: Norm) -> None:
    images = np.full((200, 3, 5, 4), 0.5, dtype=np.float32)
    eps = np.full(200, 0.1, dtype=np.float32)

    found = length(random_start(images, norm, eps, np.random.default_rng(0)) - images, norm)

    # In 60 dimensions nearly all of a ball lies near its surface: E[u^(1/60)] = 60/61.
    assert found.max() <= 0.1 + ROUNDING
    assert found.mean() == pytest.approx(0.1 * 60 / 61, rel=0.01)
