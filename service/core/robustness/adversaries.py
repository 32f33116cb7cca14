"""Checks against an adversary: the attacks, and a certificate against them."""

from functools import partial
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from models.errors import InvalidRequest
from service.core import targets
from service.core.robustness import apgd, deepfool, finding, minimal, pgd, smoothing, square
from service.core.robustness.check import Check, Count
from service.core.robustness.criterion import Criterion
from service.core.robustness.finding import Finding
from service.core.robustness.losses import Loss
from service.core.robustness.norms import Norm
from service.core.robustness.subject import Subject

Eps = Annotated[float, Field(gt=0, le=1)]

_LEVEL = 1 / 255
_TARGETED_DLR_CLASSES = 4


class _Targeted(Check):
    """An attack that may want one certain answer."""

    target: str | None = None

    def _criterion(self, subject: Subject) -> tuple[Criterion, int | None]:
        """What the attack wants, and the target's index."""
        labels = np.array([subject.answer])
        if self.target is None:
            return Criterion(labels), None
        found = targets.resolve(self.target, subject.labels, np.zeros(len(subject.labels)))
        if found.index == subject.answer:
            raise InvalidRequest(
                f"{self.name}: target {found.label!r} is the answer already: name another class"
            )
        return Criterion(labels, np.array([found.index])), found.index


class Fgsm(_Targeted):
    """One step along the gradient."""

    name: ClassVar[str] = "fgsm"
    norm: Norm = Norm.LINF
    eps: Eps = _LEVEL

    @property
    def passes(self) -> int:
        """See `Check`."""
        return 3

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        criterion, target = self._criterion(subject)
        eps = np.array([self.eps], dtype=np.float32)
        how = pgd.fgsm(self.norm)
        found = pgd.attack(subject.network, subject.image, criterion, eps, how)
        return finding.of_attack(subject, found, eps=self.eps, target=target)


class PgdCheck(_Targeted):
    """Iterated steps."""

    name: ClassVar[str] = "pgd"
    norm: Norm = Norm.LINF
    eps: Eps = _LEVEL
    steps: Count = 20
    step: Annotated[float, Field(gt=0, le=2, description="in shares of eps")] | None = None
    restarts: Count = 1
    loss: Loss = Loss.CROSS_ENTROPY
    momentum: Annotated[float, Field(ge=0, le=1)] = 0

    @property
    def passes(self) -> int:
        """See `Check`."""
        a_step = 1 if self.loss is Loss.CROSS_ENTROPY else 2
        return self.restarts * (a_step * self.steps + 1) + 1

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        criterion, target = self._criterion(subject)
        rows = np.zeros(self.restarts, dtype=np.int64)
        how = pgd.Pgd(self.norm, self.steps, self.step, self.loss, self.momentum)
        found = pgd.attack(
            subject.network, subject.image[rows], criterion.take(rows),
            np.full(self.restarts, self.eps, dtype=np.float32), how, seed=subject.seed,
        ).best_of(self.restarts)  # fmt: skip
        return finding.of_attack(subject, found, eps=self.eps, target=target)


class Apgd(Check):
    """Auto-PGD: cross-entropy, then targeted DLR towards the likeliest other classes."""

    name: ClassVar[str] = "apgd"
    norm: Norm = Norm.LINF
    eps: Eps = _LEVEL
    steps: Annotated[int, Field(ge=2)] = 100
    rivals: Annotated[int, Field(ge=0, description="targets of DLR")] = 3

    @property
    def passes(self) -> int:
        """See `Check`."""
        return (self.steps + 1) + self.rivals * (2 * self.steps + 1) + 2

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        run = partial(apgd.attack, norm=self.norm, steps=self.steps, seed=subject.seed)
        labels, eps = np.array([subject.answer]), np.array([self.eps], dtype=np.float32)
        found = run(subject.network, subject.image, Criterion(labels), eps, loss=Loss.CROSS_ENTROPY)
        if found.fooled[0] or not self.rivals or len(subject.labels) < _TARGETED_DLR_CLASSES:
            return finding.of_attack(subject, found, eps=self.eps)
        logits = subject.network.logits(subject.image)[0]
        order = np.argsort(-logits, kind="stable")
        rivals = order[order != subject.answer][: self.rivals]
        rows = np.zeros(len(rivals), dtype=np.int64)
        targeted = run(
            subject.network, subject.image[rows], Criterion(labels[rows], rivals), eps[rows],
            loss=Loss.DLR,
        ).best_of(len(rivals))  # fmt: skip
        return finding.of_attack(subject, targeted, eps=self.eps)


class Square(_Targeted):
    """A black-box search in Linf: it needs no gradients."""

    name: ClassVar[str] = "square"
    eps: Eps = _LEVEL
    queries: Count = 1000

    @property
    def passes(self) -> int:
        """See `Check`."""
        return self.queries + 1

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        criterion, target = self._criterion(subject)
        found = square.attack(
            subject.network, subject.image, criterion, np.array([self.eps], dtype=np.float32),
            queries=self.queries, seed=subject.seed,
        )  # fmt: skip
        return finding.of_attack(subject, found, eps=self.eps, target=target)


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
        return finding.of_attack(subject, found, eps=None)


class Minimal(Check):
    """The smallest perturbation found: DeepFool's, then bisected PGD."""

    name: ClassVar[str] = "minimal"
    norm: Norm = Norm.L2
    bisections: Count = 10

    @property
    def passes(self) -> int:
        """See `Check`."""
        return 50 * 10 + self.bisections * (2 * minimal.STEPS + 1) + 2

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        found = minimal.minimal(
            subject.network, subject.image, np.array([subject.answer]), self.norm,
            bisections=self.bisections,
        )  # fmt: skip
        exact = found.distance[0]
        checked = finding.of_attack(subject, found.attacked, eps=None)
        return finding.noted(checked, f"before rounding to 8 bits the distance is {exact:.5g}")


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
