"""Why the model sees what it sees, found in a background thread."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Request

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
Shown = TypeVar("Shown")

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

    async def explain(
        self, seen: Seen, show: Callable[[list[Explanation]], Shown]
    ) -> tuple[Shown, float]:
        """Explain one image's answer, for each target; how long that took, in seconds.

        Args:
            seen: the image and its answer.
            show: what is made of the explanations, in the same thread: to hand a map on
                costs more than to box it.

        Raises:
            InvalidRequest: a parameter does not fit the crop.
            SameClass: a class is held against itself.
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
        parameters, measured = self.asked.parameters, self.asked.quality

        def explained() -> Shown:
            crop = seen.crop.pixels
            return show(
                explain(network, crop, questions, self.method, parameters, measured=measured)
            )

        started = time.perf_counter()
        shown = await asyncio.wrap_future(self.room.submit(explained))
        self.service.metrics.explained(manifest.name, self.method)
        return shown, time.perf_counter() - started

    async def bodies(
        self, seen: Seen, probabilities: npt.NDArray[np.floating], form: MapForm
    ) -> tuple[list[dict[str, Any]], float]:
        """The explanations as `schemas.ExplanationBody` has them; seconds and errors as above.

        Args:
            seen: the image and its answer.
            probabilities: [K], of the classes.
            form: how the maps are written.
        """

        def show(explanations: list[Explanation]) -> list[dict[str, Any]]:
            return [presentation.body(seen, each, probabilities, form) for each in explanations]

        return await self.explain(seen, show)


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
