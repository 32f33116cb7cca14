"""All checks of one image, and the verdict."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy.typing as npt

from models.errors import InvalidRequest
from models.manifest import Graph
from service.core.ports import Arrays, Runner
from service.core.robustness.check import Check
from service.core.robustness.finding import Finding
from service.core.robustness.subject import Subject


class Verdict(StrEnum):
    """What the checks come to.

    `robust`: the answer survived every check that could tell; `fragile`: it did not survive one;
    `undecided`: no check could tell, as where smoothing abstains.
    """

    ROBUST = "robust"
    FRAGILE = "fragile"
    UNDECIDED = "undecided"


@dataclass(frozen=True, eq=False)
class Examined:
    """A check by its text, what it found, the passes it took, and its milliseconds."""

    text: str
    finding: Finding
    passes: int
    milliseconds: float


@dataclass(frozen=True, eq=False)
class Examination:
    """The checks in order, the verdict and its reason, and the seed of all random choices."""

    checks: tuple[Examined, ...]
    verdict: Verdict
    reason: str
    seed: int

    @property
    def shown(self) -> Examined | None:
        """What is worth a picture: the first check that the answer did not survive, else the first.

        None where no check makes an image.
        """
        drawable = [each for each in self.checks if each.finding.image is not None]
        fooled = [each for each in drawable if each.finding.survived is False]
        return next(iter(fooled + drawable), None)


@dataclass
class _Counting:
    """A runner that counts the images it is given."""

    runner: Runner
    rows: int = 0

    def run(self, feeds: Arrays, /) -> Mapping[str, npt.NDArray[Any]]:
        self.rows += len(feeds["image"])
        return self.runner.run(feeds)


def passes(checks: Mapping[str, Check]) -> int:
    """The most passes that checks of one image may take."""
    return sum(check.passes for check in checks.values())


def budget(checks: Mapping[str, Check], allowed: int) -> None:
    """Refuse checks that may take more passes than are allowed.

    Raises:
        InvalidRequest: they may.
    """
    needed = passes(checks)
    if needed > allowed:
        costs = ", ".join(f"{text} {check.passes}" for text, check in checks.items())
        raise InvalidRequest(
            f"these checks may take {needed} passes ({costs}) and {allowed} are allowed: ask for "
            "fewer checks, steps, restarts, queries or samples"
        )


def examine(checks: Mapping[str, Check], subject: Subject) -> Examination:
    """Run the checks in order.

    Args:
        checks: by their text.
        subject: the image and the model.

    Raises:
        InvalidRequest: a check does not fit the image's answer or the model.
        Unsupported: the bundle has not got a graph that a check needs.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    done = tuple(_one(text, check, subject) for text, check in checks.items())
    return Examination(done, *_verdict(done, subject), subject.seed)


def _verdict(done: Sequence[Examined], subject: Subject) -> tuple[Verdict, str]:
    """The verdict and its reason."""
    before = subject.labels[subject.answer]
    fooled = next((each for each in done if each.finding.survived is False), None)
    if fooled is not None and fooled.finding.answer != subject.answer:
        now = subject.labels[fooled.finding.answer]
        chance = f"{fooled.finding.probability:.0%}"
        return Verdict.FRAGILE, f"{fooled.text} turns {before!r} into {now!r} ({chance})"
    if fooled is not None:
        return Verdict.FRAGILE, f"{fooled.text} {fooled.finding.doubt} {before!r}"
    survived = sum(each.finding.survived is True for each in done)
    doubts = [
        f"{each.text} {each.finding.doubt} {before!r}"
        for each in done
        if each.finding.survived is None
    ]
    if not survived:
        return Verdict.UNDECIDED, "; ".join(doubts)
    said = f"the answer survived {survived} of {len(done)} checks"
    return Verdict.ROBUST, "; ".join([said, *doubts])


def _one(text: str, check: Check, subject: Subject) -> Examined:
    counters: dict[Graph, _Counting] = {}

    def runner(graph: Graph) -> Runner:
        if graph not in counters:
            counters[graph] = _Counting(subject.network.runner(graph))
        return counters[graph]

    served = 0

    def serve(crops: Any) -> Any:
        nonlocal served
        served += len(crops)
        return subject.serve(crops)

    network = replace(subject.network, runner=runner)
    started = time.perf_counter()
    found = check.examine(replace(subject, network=network, serve=serve))
    milliseconds = 1000 * (time.perf_counter() - started)
    taken = served + sum(each.rows for each in counters.values())
    return Examined(text, found, taken, milliseconds)
