"""Attacks on a linear model, whose strongest perturbation is known in closed form."""

import pytest
import torch

from service.core.robustness.norms import Norm
from training.learning.adversary import attack, disturbed
from training.recipe import Recipe

SLOPE = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))


def rising(image: torch.Tensor) -> torch.Tensor:
    """A loss that is linear in the image."""
    return (image * SLOPE).sum(dim=(1, 2, 3))


@pytest.fixture
def image() -> torch.Tensor:
    """Grey enough that no pixel reaches black or white."""
    return 0.4 + 0.2 * torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("norm", "strongest"),
    [
        (Norm.LINF, 0.05 * SLOPE.sign()),
        (Norm.L2, 0.05 * SLOPE / torch.linalg.vector_norm(SLOPE)),
    ],
)
def test_a_linear_loss_is_raised_as_far_as_the_ball_allows(
    image: torch.Tensor, norm: Norm, strongest: torch.Tensor
) -> None:
    found = attack(image, rising, norm, eps=0.05, steps=10)

    torch.testing.assert_close(found - image, strongest.expand_as(image), atol=2e-3, rtol=0)


@pytest.mark.parametrize("norm", Norm)
@pytest.mark.parametrize("steps", [1, 4])
def test_it_stays_in_the_ball_and_among_images(norm: Norm, steps: int) -> None:
    image = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))

    change = attack(image, rising, norm, eps=0.3, steps=steps) - image

    order = torch.inf if norm is Norm.LINF else 2
    assert torch.linalg.vector_norm(change, ord=order, dim=(1, 2, 3)).max() <= 0.3 + 1e-6
    assert (image + change).min() >= 0
    assert (image + change).max() <= 1
    assert not (image + change).requires_grad


def test_noise_has_the_sigma_that_was_asked_for() -> None:
    image = torch.full((8, 3, 64, 64), 0.5)
    torch.manual_seed(0)

    change = disturbed(image, rising, Recipe(noise=0.25)) - image

    assert change.std() == pytest.approx(0.25, rel=0.01)
    assert change.mean() == pytest.approx(0, abs=0.005)


def test_without_either_images_are_as_they_are(image: torch.Tensor) -> None:
    assert disturbed(image, rising, Recipe()) is image
