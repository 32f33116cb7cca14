"""Optimisers and learning-rate schedules, by the names that torch.optim gives them."""

import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedules

from models.errors import TrainingError
from training.recipe import Recipe, Schedule

STEPS = 3
"""Parts of equal length that `step` has, each at a tenth of the rate of the one before."""

NEEDS_MORE = {"LBFGS", "SparseAdam", "Muon", "Optimizer"}
"""Of torch.optim, what takes a closure, sparse gradients or matrices alone, and the base."""


def names() -> list[str]:
    """The optimisers that a recipe may name."""
    found = [
        name
        for name, value in vars(torch.optim).items()
        if inspect.isclass(value) and issubclass(value, Optimizer) and name not in NEEDS_MORE
    ]
    return sorted(found)


def optimizer_class(recipe: Recipe) -> type[Optimizer]:
    """The recipe's class of torch.optim.

    Raises:
        TrainingError: there is no such class, or it has no Nesterov momentum.
    """
    if recipe.optimizer not in names():
        raise TrainingError(f"no optimizer {recipe.optimizer!r}; there are {', '.join(names())}")
    kind: type[Optimizer] = getattr(torch.optim, recipe.optimizer)
    if recipe.nesterov and "nesterov" not in inspect.signature(kind).parameters:
        raise TrainingError(f"{recipe.optimizer} has no Nesterov momentum")
    return kind


def optimizer(blocks: Sequence[Sequence[nn.Parameter]], rate: float, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser, whose rate falls from block to block.

    Norms' scales and biases are not decayed: there is nothing to gain in making them small.

    Args:
        blocks: the parameters to train, by block, the head's first.
        rate: the head's.
        recipe: says which.

    Raises:
        TrainingError: as `optimizer_class`, or the optimiser refuses a value.
    """
    kind: Callable[..., Optimizer] = optimizer_class(recipe)
    taken = inspect.signature(kind).parameters
    wanted = {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
    options = {name: value for name, value in wanted.items() if name in taken}
    try:
        return kind(_groups(blocks, rate, recipe), **options)
    except ValueError as error:
        raise TrainingError(f"{recipe.optimizer}: {error}") from error


def _groups(
    blocks: Sequence[Sequence[nn.Parameter]], rate: float, recipe: Recipe
) -> list[dict[str, Any]]:
    groups = []
    for below, block in enumerate(blocks):
        for decayed in (True, False):
            chosen = [parameter for parameter in block if (parameter.ndim > 1) is decayed]
            decay = recipe.weight_decay if decayed else 0.0
            own = rate * recipe.decay**below
            groups.append({"params": chosen, "lr": own, "weight_decay": decay})
    return [group for group in groups if group["params"]]


def schedule(optimizer: Optimizer, steps: int, recipe: Recipe) -> schedules.LRScheduler:
    """The recipe's schedule over so many steps, from the optimiser's rates as the peaks.

    `cosine` is Loshchilov & Hutter's (2017, "SGDR") without restarts, `one-cycle` Smith &
    Topin's (2018, "Super-convergence"), which moves the momentum too; the others rise
    linearly first.
    """
    rising = max(1, round(recipe.warm_up * steps))
    falling = max(1, steps - rising)
    if recipe.schedule is Schedule.ONE_CYCLE:
        peaks = [group["lr"] for group in optimizer.param_groups]
        cycled = any(name in optimizer.defaults for name in ("momentum", "betas"))
        # It divides by the length of its rise and of its fall, from the first step to the last.
        total = max(3, steps)
        return schedules.OneCycleLR(
            optimizer, peaks, total_steps=total, pct_start=min(max(2, rising), total - 1) / total,
            cycle_momentum=cycled and recipe.momentum > 0,
        )  # fmt: skip
    after: dict[Schedule, Callable[[Optimizer], schedules.LRScheduler]] = {
        Schedule.COSINE: partial(schedules.CosineAnnealingLR, T_max=falling),
        Schedule.STEP: partial(schedules.StepLR, step_size=math.ceil(falling / STEPS)),
        Schedule.CONSTANT: partial(schedules.ConstantLR, factor=1.0),
    }
    warm = schedules.LinearLR(optimizer, 1 / rising, total_iters=max(1, rising - 1))
    return schedules.SequentialLR(optimizer, [warm, after[recipe.schedule](optimizer)], [rising])
