"""Checks against an adversary: the attacks, and a certificate against them."""

from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from models.errors import SameClass
from models.manifest import Precision
from service.core import targets
from service.core.network import Floats, Network
from service.core.robustness import apgd, deepfool, finding, minimal, pgd, smoothing, square
from service.core.robustness.attacked import Attacked
from service.core.robustness.check import Check, Count, Rows
from service.core.robustness.criterion import Criterion, Ints
from service.core.robustness.finding import Finding
from service.core.robustness.losses import Loss
from service.core.robustness.norms import Norm, length
from service.core.robustness.pgd import Pgd
from service.core.robustness.subject import Subject

Eps = Annotated[float, Field(gt=0, le=1)]

_EPS = {Norm.LINF: 1 / 255, Norm.L2: 0.5}
"""The radius of a ball for which none is named: those of the levels."""

_OFF_A_LEVEL = 1e-4
_TARGETED_DLR_CLASSES = 4


class Attack(Check):
    """An attack within a ball."""

    norm: Norm = Norm.LINF
    eps: Eps = Field(default_factory=lambda known: _EPS[known["norm"]])
    target: str | None = None

    @abstractmethod
    def run(
        self, network: Network, images: Floats, criterion: Criterion, *, seed: int, early: bool
    ) -> Attacked:
        """Attack images, float32 [N, 3, H, W] in [0, 1], all at once.

        Args:
            network: what is attacked.
            images: see above.
            criterion: of the N rows.
            seed: of all random choices.
            early: whether it is enough that an image is fooled, however closely.

        Raises:
            InvalidRequest: the model has too few classes.
            Unsupported: the bundle has not got a graph that is needed.
            RuntimeFailure: the runtime failed.
            Unavailable: there is no room or no session for it now.
        """

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        target = self._target(subject)
        criterion = _criterion(subject, target)
        found = self.run(subject.network, subject.image, criterion, seed=subject.seed, early=False)
        return finding.of_attack(subject, found, eps=self.eps, target=target)

    def _target(self, subject: Subject) -> int | None:
        """The index of the class that is aimed at."""
        if self.target is None:
            return None
        found = targets.resolve(self.target, subject.labels, np.zeros(len(subject.labels)))
        if found.index == subject.answer:
            raise SameClass(
                f"{self.name}: target {found.label!r} is the answer already: name another class"
            )
        return found.index

    def _radii(self, count: int) -> Floats:
        return np.full(count, self.eps, dtype=np.float32)


class Fgsm(Attack):
    """One step along the gradient."""

    name: ClassVar[str] = "fgsm"

    @property
    def passes(self) -> int:
        """See `Check`."""
        return 3

    def run(
        self, network: Network, images: Floats, criterion: Criterion, *, seed: int, early: bool
    ) -> Attacked:
        """See `Attack`."""
        del seed, early  # nothing is drawn, and there is but one step
        how = pgd.fgsm(self.norm)
        return pgd.attack(network, images, criterion, self._radii(len(images)), how)

    def examine(self, subject: Subject) -> Finding:
        """See `Check`. The fp32 graphs are asked again only where `model.onnx` leaves a doubt.

        It leaves none where it is fooled, nor where the step ends on whole levels and it computes
        in fp32 as they do.
        """
        target = self._target(subject)
        criterion = _criterion(subject, target)
        network = subject.network
        moved = pgd.stepped(network, subject.image, criterion, self._radii(1), self.norm)
        threat = pgd.threat(pgd.fgsm(self.norm), criterion)
        found = finding.confirmed(subject, moved[0], threat, eps=self.eps, target=target)
        if not found.survived or (subject.precision is Precision.FP32 and _whole_levels(moved)):
            return found
        return replace(found, only_in_floats=bool(criterion.reached(network.logits(moved))[0]))


class PgdCheck(Attack):
    """Iterated steps."""

    name: ClassVar[str] = "pgd"
    steps: Count = 20
    step: Annotated[float, Field(gt=0, le=2, description="in shares of eps")] | None = None
    restarts: Rows = 1
    loss: Loss = Loss.CROSS_ENTROPY
    momentum: Annotated[float, Field(ge=0, le=1)] = 0

    @property
    def passes(self) -> int:
        """See `Check`."""
        a_step = 1 if self.loss is Loss.CROSS_ENTROPY else 2
        return self.restarts * (a_step * self.steps + 1) + 1

    def run(
        self, network: Network, images: Floats, criterion: Criterion, *, seed: int, early: bool
    ) -> Attacked:
        """See `Attack`."""
        rows = np.repeat(np.arange(len(images)), self.restarts)
        how = Pgd(self.norm, self.steps, self.step, self.loss, self.momentum, early=early)
        eps = self._radii(len(rows))
        found = pgd.attack(network, images[rows], criterion.take(rows), eps, how, seed=seed)
        return found.best_of(self.restarts)


class Apgd(Attack):
    """Auto-PGD: cross-entropy, then targeted DLR towards the likeliest other classes."""

    name: ClassVar[str] = "apgd"
    target: None = None
    steps: Annotated[int, Field(ge=2)] = 100
    rivals: Annotated[int, Field(ge=0, le=100, description="targets of DLR")] = 3

    @property
    def passes(self) -> int:
        """See `Check`."""
        return (self.steps + 1) + self.rivals * (2 * self.steps + 1) + 2

    def run(
        self, network: Network, images: Floats, criterion: Criterion, *, seed: int, early: bool
    ) -> Attacked:
        """See `Attack`. With fewer than four classes there is no targeted DLR."""
        del early  # it keeps the best point anyway
        attack = partial(apgd.attack, norm=self.norm, steps=self.steps, seed=seed)
        eps = self._radii(len(images))
        found = attack(network, images, criterion, eps, loss=Loss.CROSS_ENTROPY)
        standing = np.flatnonzero(~found.fooled)
        if not (standing.size and self.rivals and network.classes >= _TARGETED_DLR_CLASSES):
            return found
        rivals = _likeliest(network.logits(images[standing]), criterion.labels[standing])
        rivals = rivals[:, : self.rivals]
        rows = np.repeat(standing, rivals.shape[1])
        goal = Criterion(criterion.labels[rows], rivals.ravel())
        second = attack(network, images[rows], goal, eps[rows], loss=Loss.DLR)
        return found.replaced(standing, second.best_of(rivals.shape[1]))


class Square(Attack):
    """A black-box search: it needs no gradients."""

    name: ClassVar[str] = "square"
    queries: Count = 1000

    @property
    def passes(self) -> int:
        """See `Check`."""
        return self.queries + 1

    def run(
        self, network: Network, images: Floats, criterion: Criterion, *, seed: int, early: bool
    ) -> Attacked:
        """See `Attack`."""
        del early  # it always stops there
        return square.attack(
            network, images, criterion, self._radii(len(images)),
            norm=self.norm, queries=self.queries, seed=seed,
        )  # fmt: skip


class DeepFool(Check):
    """Steps to the nearest boundary; the distance is an upper bound of the margin."""

    name: ClassVar[str] = "deepfool"
    norm: Norm = Norm.L2
    steps: Count = 20
    candidates: Annotated[int, Field(ge=2)] = 5

    @property
    def passes(self) -> int:
        """See `Check`."""
        return self.steps * self.candidates + 2

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        found = deepfool.attack(
            subject.network, subject.image, np.array([subject.answer]), self.norm,
            steps=self.steps, candidates=self.candidates,
        )  # fmt: skip
        return _with_distance(subject, found)


class Minimal(Check):
    """The smallest perturbation found: DeepFool's, then bisected PGD."""

    name: ClassVar[str] = "minimal"
    norm: Norm = Norm.L2
    bisections: Count = 10

    @property
    def passes(self) -> int:
        """See `Check`."""
        first = deepfool.STEPS * deepfool.CANDIDATES
        return first + self.bisections * (2 * minimal.STEPS + 1) + 2

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        found = minimal.minimal(
            subject.network, subject.image, np.array([subject.answer]), self.norm,
            bisections=self.bisections,
        )  # fmt: skip
        return _with_distance(subject, found.attacked)


class Smoothing(Check):
    """A certified L2 radius by randomised smoothing."""

    name: ClassVar[str] = "smoothing"
    sigma: Annotated[float, Field(gt=0, le=1)] = 0.25
    n0: Count = 100
    n: Count = 1000
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.001

    @property
    def passes(self) -> int:
        """See `Check`."""
        return self.n0 + self.n + 1

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        found = smoothing.certify(
            subject.network, subject.image[0], sigma=self.sigma, n0=self.n0, n=self.n,
            alpha=self.alpha, seed=subject.seed,
        )  # fmt: skip
        return finding.of_certificate(subject, found)


def _with_distance(subject: Subject, found: Attacked) -> Finding:
    """The smallest change; rounding to 8 bits often undoes it, so how far it was is noted."""
    checked = finding.of_attack(subject, found, eps=None)
    if not found.fooled[0]:
        return finding.noted(checked, "no change of the answer was found")
    exact = length(found.images - subject.image, found.threat.norm)[0]
    return finding.noted(checked, f"before rounding to 8 bits the distance is {exact:.5g}")


def _criterion(subject: Subject, target: int | None) -> Criterion:
    """What an attack on one image wants."""
    labels = np.array([subject.answer])
    return Criterion(labels, None if target is None else np.array([target]))


def _whole_levels(images: Floats) -> bool:
    """Whether an image file holds these images as they are, but for float32's rounding."""
    levels = 255 * images
    return bool(np.abs(levels - np.rint(levels)).max() <= _OFF_A_LEVEL)


def _likeliest(logits: Floats, labels: Ints) -> Ints:
    """The other classes of each row, likeliest first: [N, K - 1]."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return np.asarray(order[order != labels[:, np.newaxis]].reshape(len(order), -1))
