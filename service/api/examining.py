"""An answer's robustness: checked in a background thread, and as clients see it."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Request

from service.api import parts
from service.api.parts import Parts
from service.api.pipeline import Seen
from service.api.requests import ImageRequest
from service.api.schemas.images import Options
from service.core.demand import Demand, Priority
from service.core.robustness import examination
from service.core.robustness.check import Check
from service.core.robustness.examination import Examination, Examined
from service.core.robustness.finding import Finding
from service.core.robustness.levels import Level
from service.core.robustness.notation import chosen
from service.core.robustness.picture import Comparison, compare, heat
from service.core.robustness.subject import Subject
from service.core.serving import ServedModel
from service.core.targets import Target
from service.core.workers import Room

AnyOptions = TypeVar("AnyOptions", bound=Options)


@dataclass(frozen=True)
class Asked:
    """The checks by their text, and the seed of all random choices."""

    checks: Mapping[str, Check]
    seed: int = 0


def asked(
    service: Parts, *, level: Level | None, checks: str | None = None, seed: int = 0
) -> Asked:
    """The checks that a request asks for; those of `fast` where it names none.

    Raises:
        InvalidRequest: a check is malformed, or they may take more passes than are allowed.
    """
    found = chosen(level, checks)
    examination.budget(found, service.max_robustness_passes)
    return Asked(found, seed)


@dataclass(frozen=True)
class Examiner:
    """Checks the answers of one request, in a room that is taken for it."""

    service: Parts
    model: ServedModel
    asked: Asked
    room: Room
    demand: Demand

    async def examine(self, seen: Seen) -> tuple[Examination, float]:
        """Check one image's answer; how long that took, in seconds.

        Raises:
            InvalidRequest: a check does not fit the answer or the model.
            Unsupported: the bundle has not got a graph that a check needs.
            Unavailable: there is too much to do, or a graph is still being loaded.
            RuntimeFailure: the runtime failed.
            DeadlineExceeded: it is too late.
        """
        manifest = self.model.bundle.manifest
        subject = Subject(
            self.model.network(self.demand),
            self._serve,
            seen.crop.pixels,
            _answer(seen),
            manifest.labels,
            self.model.temperature,
            self.asked.seed,
            manifest.precision,
            manifest.provenance.noise,
            manifest.squeezing,
        )
        started = time.perf_counter()
        examined = self.room.submit(examination.examine, self.asked.checks, subject)
        found = await asyncio.wrap_future(examined)
        self.service.metrics.verdict(manifest.name, found.verdict)
        return found, time.perf_counter() - started

    def draw(self, seen: Seen, image: npt.NDArray[np.uint8], answer: int) -> Comparison:
        """An image's crop and what a check made of it, [H, W, 3], with both answers' evidence.

        Without a default way to explain the bundle there is no evidence. It runs in the room.

        Raises:
            Unavailable: there is too much to do, or a graph is still being loaded.
            RuntimeFailure: the runtime failed, or a map is not finite.
            DeadlineExceeded: it is too late.
        """
        manifest, crop = self.model.bundle.manifest, seen.crop.pixels
        method = manifest.default_explanation
        if method is None:
            return compare(crop, image)
        network, labels = self.model.network(self.demand), manifest.labels
        before, after = (Target(index, labels[index]) for index in (_answer(seen), answer))
        evidence = (heat(network, crop, before, method), heat(network, image, after, method))
        return compare(crop, image, evidence)

    def _serve(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        rows = [
            self.model.classifier.submit({"image": crop[np.newaxis]}, self.demand) for crop in crops
        ]
        return np.concatenate([row.result().outputs["logits"] for row in rows])


@contextmanager
def examiner(
    request: Request, wanted: ImageRequest[AnyOptions], asked: Asked
) -> Iterator[Examiner]:
    """Take room for a request's images before any work; what is begun is not refused half-way.

    Raises:
        Overloaded: there is no room.
    """
    service = parts.of(request)
    demand = replace(wanted.demand, priority=Priority.ROBUSTNESS)
    with service.examiners.reserve(len(wanted.upload.images), demand) as room:
        yield Examiner(service, wanted.model, asked, room, demand)


def _answer(seen: Seen) -> int:
    """The class that the image is given."""
    return int(seen.logits.argmax())


def body(found: Examination, labels: tuple[str, ...]) -> dict[str, Any]:
    """The examination as `schemas.RobustnessBody` has it."""
    return {
        "verdict": found.verdict.value,
        "reason": found.reason,
        "checks": [_check(each, labels) for each in found.checks],
        "seed": found.seed,
    }


def _check(examined: Examined, labels: tuple[str, ...]) -> dict[str, Any]:
    found = examined.finding
    return {
        "check": examined.text,
        "survived": found.survived,
        "answer": {
            "label": labels[found.answer],
            "index": found.answer,
            "probability": found.probability,
        },
        "threat": _threat(found),
        "distance": found.distance,
        "only_in_floats": found.only_in_floats,
        "certificate": _certificate(found),
        "passes": examined.passes,
        "milliseconds": round(examined.milliseconds, 3),
        "note": found.note,
    }


def _threat(found: Finding) -> dict[str, Any] | None:
    return None if found.threat is None else {**asdict(found.threat), "eps": found.eps}


def _certificate(found: Finding) -> dict[str, Any] | None:
    certificate = found.certificate
    if certificate is None:
        return None
    return {
        "radius": certificate.radius,
        "abstains": certificate.answer is None,
        "sigma": certificate.sigma,
        "n0": certificate.n0,
        "n": certificate.n,
        "alpha": certificate.alpha,
    }
