"""Which learning rate to take: raise it step by step and watch the loss (Smith 2017).

"Cyclical learning rates for training neural networks", section 3.3.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.errors import TrainingError
from training.recipe import Recipe, Strategy

LEAST, MOST, STEPS = 1e-6, 1.0, 40
STILL = 10
"""Steps at the least rate, which tell how much losses differ from batch to batch."""
SMOOTHING = 0.7
"""Share of what came before in the running mean of the losses."""
LOST, PATIENCE = 4.0, 5
"""Times the loss of these; after so many steps above it the sweep ends. One hard batch, of a head
whose losses are nearly zero, is above it for fewer."""
SAFETY = 10.0
"""A rate that does as well as any is about to diverge: a tenth of it is taken."""

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

    A fitted head has small losses that differ several times from batch to batch, so neither the
    end nor the choice trusts a single one: of all rates whose loss is within a standard error of
    the least, the highest counts.

    Args:
        step: makes a step of learning at a rate, and tells the loss before it.
        ceiling: the highest rate to choose.

    Raises:
        TrainingError: the loss is no number from the start.
    """
    before = [step(LEAST) for _ in range(STILL)]
    start = float(np.mean(before))
    if not math.isfinite(start):
        raise TrainingError("the loss is no number before anything is learned")
    rates, losses, smooth, lost = [LEAST], [start], start, 0
    for rate in np.geomspace(LEAST, MOST, 1 + STEPS - STILL).tolist()[1:]:
        smooth = SMOOTHING * smooth + (1 - SMOOTHING) * step(rate)
        lost = 0 if smooth <= LOST * start else lost + 1
        if lost == PATIENCE or not math.isfinite(smooth):
            break
        rates.append(rate)
        losses.append(smooth)
    # The standard error of an exponential mean of independent losses.
    error = float(np.std(before)) * math.sqrt((1 - SMOOTHING) / (1 + SMOOTHING))
    as_good = np.flatnonzero(np.array(losses) <= min(losses) + error)
    return Sweep(tuple(rates), tuple(losses), min(rates[as_good[-1]] / SAFETY, ceiling))
