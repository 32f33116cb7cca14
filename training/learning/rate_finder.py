"""Which learning rate to take: raise it step by step and watch the loss (Smith 2017).

"Cyclical learning rates for training neural networks", section 3.3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.recipe import Recipe, Strategy

LEAST, MOST, STEPS = 1e-6, 1.0, 40
SMOOTHING = 0.7
"""Share of what came before in the running mean of the losses."""
LOST = 4.0
"""Times the least loss, at which the sweep ends."""
SAFETY = 10.0
"""The rate with the least loss is about to diverge: a tenth of it is taken."""

CEILINGS = {"SGD": 1e-2, "Adadelta": 1.0}
"""What a network has learned elsewhere is undone by rates that a few steps of it bear."""
CEILING = 1e-4
"""Of the other optimisers, whose steps are as long as the rate says, whatever the gradient."""


@dataclass(frozen=True)
class Sweep:
    """Rates that were tried, the smoothed loss at each, and the rate that is taken."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    chosen: float


def ceiling(recipe: Recipe) -> float:
    """The highest rate that is taken without being asked for."""
    if recipe.strategy is Strategy.SCRATCH:
        return MOST
    return CEILINGS.get(recipe.optimizer, CEILING)


def sweep(step: Callable[[float], float], ceiling: float) -> Sweep:
    """Try rates from 1e-6 to 1, each for a step, until the loss is lost.

    Args:
        step: makes a step of learning at a rate, and tells the loss before it.
        ceiling: the highest rate to choose.
    """
    rates: list[float] = []
    losses: list[float] = []
    running = 0.0
    for number, rate in enumerate(np.geomspace(LEAST, MOST, STEPS).tolist(), start=1):
        running = SMOOTHING * running + (1 - SMOOTHING) * step(rate)
        smooth = running / (1 - SMOOTHING**number)
        if not smooth <= LOST * min([*losses, smooth]):
            break
        rates.append(rate)
        losses.append(smooth)
    found = rates[int(np.argmin(losses))] / SAFETY
    return Sweep(tuple(rates), tuple(losses), min(found, ceiling))
