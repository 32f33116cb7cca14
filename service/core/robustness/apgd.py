"""Auto-PGD: projected gradient ascent that chooses its step by how well it gets on."""

import math

import numpy as np
import numpy.typing as npt

from service.core.network import Floats, Network
from service.core.robustness.attacked import Attacked, Threat
from service.core.robustness.criterion import Bools, Criterion
from service.core.robustness.losses import Ascent, Loss, ascent
from service.core.robustness.norms import Norm, column, project, random_start, steepest

_KEPT = 0.75
"""Share of a step that is the gradient's; the rest is the last move's (alpha in the paper)."""

_ENOUGH = 0.75
"""Share of the steps since the last checkpoint that have to raise the loss (rho)."""


def attack(
    network: Network,
    images: Floats,
    criterion: Criterion,
    eps: Floats,
    *,
    norm: Norm,
    loss: Loss,
    steps: int = 100,
    seed: int = 0,
) -> Attacked:
    """Ascend from a random point of the ball; the step starts at 2 eps and is halved.

    Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of
    diverse parameter-free attacks", algorithm 1. It is halved at a checkpoint where the loss
    rose too seldom, or where neither the step nor the best loss has changed since the one
    before; the search then goes on from the best point. An image that is fooled once counts as
    fooled.

    Args:
        network: what is attacked.
        images: float32 [N, 3, H, W] in [0, 1].
        criterion: of the N rows.
        eps: float32 [N], in the pixels' units.
        norm: of the perturbation.
        loss: what is raised; the paper's are cross-entropy and DLR.
        steps: gradients taken, at least 2.
        seed: of the start.

    Raises:
        InvalidRequest: the model has too few classes for the loss.
        Unsupported: the bundle has no gradient graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    here = random_start(images, norm, eps, np.random.default_rng(seed))
    before, found = here, ascent(network, here, criterion, loss)
    kept, highest = _Kept(here, found.logits, criterion), _Highest(here, found)
    pace, ends = _Pace(eps, found.values), checkpoints(steps)
    for step in range(1, steps + 1):
        uphill = column(pace.step) * steepest(found.gradient, norm)
        straight = project(here + uphill, images, norm, eps)
        share = np.float32(1 if step == 1 else _KEPT)
        moved = here + share * (straight - here) + (1 - share) * (here - before)
        before, here = here, project(moved, images, norm, eps)
        if step == steps:
            break
        found = ascent(network, here, criterion, loss)
        kept.see(here, found.logits)
        highest.see(here, found)
        pace.count(found.values)
        if step in ends:
            halved = pace.halve(highest.values)
            here[halved] = before[halved] = highest.images[halved]
            found.gradient[halved] = highest.gradient[halved]
    kept.see(here, network.logits(here))
    how = f"apgd, {loss}, {steps} steps, random start"
    threat = Threat(norm, criterion.targets is not None, white_box=True, attack=how)
    return Attacked(kept.images, kept.logits, kept.fooled, threat)


def checkpoints(steps: int) -> tuple[int, ...]:
    """The steps after which the step's length is looked at (section 3.2)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return tuple(sorted({math.ceil(round(share * steps, 6)) for share in shares[1:] if share <= 1}))


class _Kept:
    """The point that each row ends with: the last that fooled, where none does the last of all."""

    def __init__(self, images: Floats, logits: Floats, criterion: Criterion) -> None:
        self.images, self.logits = images.copy(), logits.copy()
        self.fooled = criterion.reached(logits)
        self._criterion = criterion

    def see(self, images: Floats, logits: Floats) -> None:
        """Every row was moved to a point, with these logits."""
        reached = self._criterion.reached(logits)
        rows = reached | ~self.fooled
        self.images[rows], self.logits[rows] = images[rows], logits[rows]
        self.fooled |= reached


class _Highest:
    """The point of each row at which the loss was highest so far."""

    def __init__(self, images: Floats, found: Ascent) -> None:
        self.images = images.copy()
        self.gradient, self.values = found.gradient.copy(), found.values.copy()

    def see(self, images: Floats, found: Ascent) -> None:
        """Every row was moved to a point, with this loss."""
        rows = found.values > self.values
        self.images[rows], self.gradient[rows] = images[rows], found.gradient[rows]
        self.values[rows] = found.values[rows]


class _Pace:
    """The step of each row, [N], and how well it got on since the last checkpoint."""

    def __init__(self, eps: Floats, values: Floats) -> None:
        self.step = 2 * eps
        self._last = values
        self._most = values
        self._rises = np.zeros(len(values), dtype=np.int64)
        self._steps = 0
        self._unchanged: Bools = np.zeros(len(values), dtype=np.bool_)

    def count(self, values: Floats) -> None:
        """A step was made, to points of these values."""
        self._rises += values > self._last
        self._last = values
        self._steps += 1

    def halve(self, most: Floats) -> Bools:
        """At a checkpoint: halve the steps that do badly; which rows are these?"""
        seldom = self._rises < _ENOUGH * self._steps
        stuck = self._unchanged & (most <= self._most)
        halved: npt.NDArray[np.bool_] = seldom | stuck
        self.step = np.where(halved, self.step / 2, self.step).astype(np.float32)
        self._unchanged = ~halved
        self._most = most.copy()
        self._rises[:] = 0
        self._steps = 0
        return halved
