"""Projected gradient ascent within a ball: FGSM in one step, PGD in several."""

from dataclasses import dataclass

import numpy as np

from service.core.network import Floats, Network
from service.core.robustness.attacked import Attacked, Threat
from service.core.robustness.criterion import Criterion, Ints
from service.core.robustness.losses import Loss, ascent
from service.core.robustness.norms import Norm, column, dual_length, project, random_start, steepest

STEP = 2.5
"""A step is so many times eps over the number of steps: any point of the ball is reached."""


@dataclass(frozen=True)
class Pgd:
    """How to ascend.

    Attributes:
        norm: of the perturbation.
        steps: gradients taken, at least 1.
        step: length of a step, in shares of eps; None: 2.5 / steps.
        loss: what is raised.
        momentum: share of the gradients so far that stays (Dong et al. 2018, "Boosting
            adversarial attacks with momentum", equation 6); 0: the last alone counts.
        random: whether to start from a random point of the ball, or from the image.
        early: whether a row that is fooled is left there, which saves passes, or fooled ever
            more surely.
    """

    norm: Norm = Norm.LINF
    steps: int = 20
    step: float | None = None
    loss: Loss = Loss.CROSS_ENTROPY
    momentum: float = 0
    random: bool = True
    early: bool = False

    @property
    def stride(self) -> float:
        """The length of a step, in shares of eps."""
        return STEP / self.steps if self.step is None else self.step

    def __str__(self) -> str:
        """The parameters that a threat model states."""
        return (
            f"{'fgsm' if self == fgsm(self.norm) else 'pgd'}, {self.loss}, {self.steps} steps of "
            f"{self.stride:g} eps, momentum {self.momentum:g}, "
            f"{'random start' if self.random else 'from the image'}"
        )


def fgsm(norm: Norm) -> Pgd:
    """One step of length eps from the image.

    Goodfellow et al. 2015, "Explaining and harnessing adversarial examples", section 4.
    """
    return Pgd(norm, steps=1, step=1, random=False)


def attack(
    network: Network,
    images: Floats,
    criterion: Criterion,
    eps: Floats,
    how: Pgd,
    *,
    seed: int = 0,
    start: Floats | None = None,
) -> Attacked:
    """Ascend from each image within its ball.

    Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks", section
    2.1. All steps are taken; of the points that reach the criterion the last is kept, where none
    does the last of all.

    Args:
        network: what is attacked.
        images: float32 [N, 3, H, W] in [0, 1].
        criterion: of the N rows.
        eps: float32 [N], in the pixels' units.
        how: see `Pgd`.
        seed: of the random starts.
        start: [N, 3, H, W], where to begin instead; the nearest point of the ball is taken.

    Raises:
        InvalidRequest: the model has too few classes for the loss.
        Unsupported: the bundle has no gradient graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    here = images.copy()
    if start is not None:
        here = project(start, images, how.norm, eps)
    elif how.random:
        here = random_start(images, how.norm, eps, np.random.default_rng(seed))
    best, gathered = _Best(here, network.classes), np.zeros_like(images)
    rows = np.arange(len(images))
    for _ in range(how.steps):
        found = ascent(network, here[rows], criterion.take(rows), how.loss)
        reached = criterion.take(rows).reached(found.logits)
        best.keep(rows[reached], here, found.logits[reached])
        best.fooled[rows] |= reached
        gathered[rows] = _gathered(gathered[rows], found.gradient, how.momentum)
        if how.early:
            rows = rows[~reached]
        step = column(eps[rows] * np.float32(how.stride)) * steepest(gathered[rows], how.norm)
        here[rows] = project(here[rows] + step, images[rows], how.norm, eps[rows])
        if not rows.size:
            break
    if rows.size:
        logits = network.logits(here[rows])
        reached = criterion.take(rows).reached(logits)
        kept = reached | ~best.fooled[rows]
        best.keep(rows[kept], here, logits[kept])
        best.fooled[rows] |= reached
    return Attacked(best.images, best.logits, best.fooled, threat(how, criterion))


def threat(how: Pgd, criterion: Criterion) -> Threat:
    """The attacker, as findings state it."""
    return Threat(how.norm, criterion.targets is not None, white_box=True, attack=str(how))


def stepped(
    network: Network, images: Floats, criterion: Criterion, eps: Floats, norm: Norm
) -> Floats:
    """Where FGSM takes images, [N, 3, H, W], without asking what the network says there.

    Raises:
        Unsupported: the bundle has no gradient graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    gradient = ascent(network, images, criterion, Loss.CROSS_ENTROPY).gradient
    return project(images + column(eps) * steepest(gradient, norm), images, norm, eps)


class _Best:
    """The point to keep of each row, its logits, and whether the row was ever fooled."""

    def __init__(self, images: Floats, classes: int) -> None:
        self.images = images.copy()
        self.logits = np.zeros((len(images), classes), dtype=np.float32)
        self.fooled = np.zeros(len(images), dtype=np.bool_)

    def keep(self, rows: Ints, here: Floats, logits: Floats) -> None:
        """Take some rows' points, whose logits are given."""
        self.images[rows], self.logits[rows] = here[rows], logits


def _gathered(gathered: Floats, gradient: Floats, momentum: float) -> Floats:
    if momentum == 0:
        return gradient
    # Gradients of unlike length count alike: each is divided by its L1 norm.
    mean = np.maximum(column(dual_length(gradient, Norm.LINF)), np.float32(1e-12))
    return np.asarray(np.float32(momentum) * gathered + gradient / mean)
