"""An 8-bit image of an adversarial one lies within the ball, whatever it is given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.golden import to_float
from service.core.robustness.eight_bit import distance, to_levels
from service.core.robustness.norms import Norm, project


@pytest.mark.parametrize("norm", Norm)
@given(seed=st.integers(0, 10_000), eps=st.floats(0.001, 1))
@settings(deadline=None)
def test_it_stays_in_the_ball(norm: Norm, seed: int, eps: float) -> None:
    generator = np.random.default_rng(seed)
    crop = generator.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    image = to_float(crop[np.newaxis])
    far = (image + generator.normal(size=image.shape)).astype(np.float32)
    moved = project(far, image, norm, np.array([eps], dtype=np.float32))[0]

    found = to_levels(moved, crop, norm, eps)

    order = np.inf if norm is Norm.LINF else 2
    change = (found.astype(float) - crop).ravel() / 255
    assert np.linalg.norm(change, ord=order) <= eps + 1e-6
    assert distance(found, crop, norm) == pytest.approx(np.linalg.norm(change, ord=order), abs=1e-6)


@pytest.mark.parametrize("levels", [1, 2, 8])
def test_a_ball_of_whole_levels_is_reached_to_its_edge(levels: int) -> None:
    crop = np.full((4, 4, 3), 100, dtype=np.uint8)
    moved = to_float(crop[np.newaxis])[0] + np.float32(levels / 255)

    assert (to_levels(moved, crop, Norm.LINF, levels / 255) == 100 + levels).all()


def test_without_a_ball_every_pixel_takes_its_nearest_level() -> None:
    crop = np.full((1, 2, 3), 100, dtype=np.uint8)
    moved = np.full((3, 1, 2), 100.6 / 255, dtype=np.float32)

    assert (to_levels(moved, crop, Norm.L2) == 101).all()
    assert (to_levels(moved, crop, Norm.L2, 0.5 / 255) == 100).all()
