"""Images that are made hard to learn: by projected gradient descent, or by noise."""

from collections.abc import Callable

import torch

from service.core.robustness.norms import Norm
from service.core.robustness.pgd import STEP
from training.recipe import Recipe

Objective = Callable[[torch.Tensor], torch.Tensor]
"""From float32 [N, 3, H, W] to losses float32 [N]."""


def disturbed(image: torch.Tensor, objective: Objective, recipe: Recipe) -> torch.Tensor:
    """The batch as the recipe has it learned: attacked, noisy or as it is.

    Noise is Cohen et al.'s (2019, "Certified adversarial robustness via randomized smoothing",
    section 3.3): no pixel is clipped.
    """
    if recipe.adversarial is not None:
        image = attack(image, objective, recipe.adversarial, recipe.eps, recipe.attack_steps)
    return image + recipe.noise * torch.randn_like(image) if recipe.noise > 0 else image


def attack(
    image: torch.Tensor, objective: Objective, norm: Norm, eps: float, steps: int
) -> torch.Tensor:
    """Projected gradient ascent from a random start (Madry et al. 2018, section 2.1).

    Args:
        image: float32 [N, 3, H, W] in [0, 1].
        objective: what to raise.
        norm: of the perturbation.
        eps: the most that its norm may be.
        steps: gradients taken.

    Returns:
        images in [0, 1], at most `eps` from the given ones.
    """
    moved = _projected(image, torch.empty_like(image).uniform_(-eps, eps), norm, eps)
    for _ in range(steps):
        moved.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(moved).sum(), moved)
        step = STEP * eps / steps * _direction(gradient, norm)
        moved = _projected(image, (moved + step - image).detach(), norm, eps)
    return moved


def _direction(gradient: torch.Tensor, norm: Norm) -> torch.Tensor:
    """The step of length 1 that rises most."""
    return gradient.sign() if norm is Norm.LINF else gradient / _length(gradient)


def _projected(image: torch.Tensor, change: torch.Tensor, norm: Norm, eps: float) -> torch.Tensor:
    """The point of the ball around the image nearest to its change, within [0, 1]."""
    if norm is Norm.LINF:
        change = change.clamp(-eps, eps)
    else:
        change = change * (eps / _length(change)).clamp(max=1)
    return (image + change).clamp(0, 1)


def _length(change: torch.Tensor) -> torch.Tensor:
    """The L2 norm of each image's change: [N, 1, 1, 1]; never 0, as it divides."""
    length: torch.Tensor = torch.linalg.vector_norm(change, dim=(1, 2, 3), keepdim=True)
    return length.clamp(min=torch.finfo(change.dtype).tiny)
