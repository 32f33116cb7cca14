"""Why the model sees what it sees, found in a background thread."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fastapi import Request
from pydantic_core import to_json

from models.manifest import Graph, MethodName
from service.api import parts, presentation
from service.api.parts import Parts
from service.api.pipeline import Seen
from service.api.requests import ImageRequest
from service.api.schemas.explain import ExplainOptions, MapForm
from service.api.schemas.images import Options
from service.core import targets
from service.core.demand import Demand, Priority
from service.core.saliency.explanation import Explanation, explain
from service.core.saliency.methods import check
from service.core.saliency.parameters import Parameters
from service.core.serving import ServedModel
from service.core.targets import Question, Target
from service.core.workers import Room

AnyOptions = TypeVar("AnyOptions", bound=Options)

Named = str | int | None
"""A class as clients name it; None for the top one."""


@dataclass(frozen=True)
class Asked:
    """What is to be explained, and how.

    `method` None is the bundle's own; `against` None asks for no contrast; `quality` has the
    maps' faithfulness measured too.
    """

    method: MethodName | None
    parameters: Parameters
    targets: tuple[Named, ...] = (None,)
    against: Named = None
    quality: bool = False


def asked(options: ExplainOptions) -> Asked:
    """What a request's options ask for."""
    given = options.model_fields_set & Parameters.model_fields.keys()
    return Asked(
        options.method,
        # The others keep their defaults, and count as not set.
        Parameters(**{name: getattr(options, name) for name in given}),
        (options.target,) if options.targets is None else tuple(options.targets),
        options.against,
        options.quality,
    )


@dataclass(frozen=True)
class Explainer:
    """Explains the answers of one request, in a room that is taken for it."""

    service: Parts
    model: ServedModel
    method: MethodName
    asked: Asked
    room: Room
    demand: Demand

    async def explain(self, seen: Seen) -> tuple[list[Explanation], float]:
        """Explain one image's answer, for each target; how long that took, in seconds.

        Raises:
            InvalidRequest: a parameter does not fit the crop.
            UnknownClass: a target names no class, or more than one.
            Unsupported: the bundle has not got a graph that the method needs.
            Unavailable: there is too much to do, it is too late, or a graph is being loaded.
            RuntimeFailure: the runtime failed.
        """
        manifest = self.model.bundle.manifest

        def resolved(name: Named) -> Target:
            return targets.resolve(name, manifest.labels, seen.logits)

        against = None if self.asked.against is None else resolved(self.asked.against)
        questions = [Question(resolved(target), against) for target in self.asked.targets]
        network = replace(self.model.network(self.demand), seen=seen.activations)
        started = time.perf_counter()
        explained = self.room.submit(
            explain,
            network,
            seen.crop.pixels,
            questions,
            self.method,
            self.asked.parameters,
            measured=self.asked.quality,
        )
        explanations = await asyncio.wrap_future(explained)
        self.service.metrics.explained(manifest.name, self.method)
        return explanations, time.perf_counter() - started

    async def bodies(
        self, seen: Seen, explanations: Sequence[Explanation], form: MapForm
    ) -> list[dict[str, Any]]:
        """The explanations as `schemas.ExplanationBody` has them."""
        temperature = self.model.temperature
        written = [
            self.room.submit(presentation.body, seen, each, temperature, form)
            for each in explanations
        ]
        return [await asyncio.wrap_future(each) for each in written]

    async def encoded(self, content: dict[str, Any]) -> bytes:
        """An answer as JSON: maps are too long to write them in the event loop.

        Pydantic's writer takes a fifth of the time of the standard library's for the 50,000
        numbers of a map: with that one, they cost more than to classify the image.
        """
        return await asyncio.wrap_future(self.room.submit(to_json, content))


@contextmanager
def explainer(
    request: Request, wanted: ImageRequest[AnyOptions], asked: Asked
) -> Iterator[Explainer]:
    """Take room for a request's images before any work; what is begun is not refused half-way.

    Raises:
        InvalidRequest: the method does not take a parameter.
        Unsupported: the bundle has not got what the method needs.
        NotReady: the graph is still being loaded.
        Overloaded: there is no room.
    """
    service, model = parts.of(request), wanted.model
    method = model.method(asked.method)
    check(method, asked.parameters)
    if asked.quality:
        model.runner(Graph.FLOAT)
    demand = replace(wanted.demand, priority=Priority.EXPLAIN)
    with service.explainers.reserve(len(wanted.upload.images), demand) as room:
        yield Explainer(service, model, method, asked, room, demand)
