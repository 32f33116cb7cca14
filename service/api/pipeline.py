"""The way of every image: decoded in a thread, classified in a batch, explained if asked."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.manifest import Preprocessing
from models.photo import Limits
from models.preprocess import Crop, preprocess
from service.api.parts import Parts
from service.api.requests import ImageRequest
from service.api.schemas import ExplainOptions
from service.core import targets
from service.core.demand import Demand
from service.core.saliency.explanation import Explanation
from service.core.saliency.explanation import explain as explain_crop
from service.core.saliency.methods import check
from service.core.saliency.parameters import Parameters
from service.core.serving import ServedModel
from service.core.targets import Question, Target
from service.core.workers import Room


@dataclass(frozen=True)
class Seen:
    """One image as the model saw it: its crop, float32 logits [K], and seconds by stage.

    `embedding` float32 [D] is None where the model's graph has no such output.
    """

    crop: Crop
    logits: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32] | None
    seconds: dict[str, float]


@dataclass(frozen=True)
class Explained:
    """One image as the model saw it, why, for each class in question, and seconds by stage."""

    seen: Seen
    explanations: list[Explanation]
    seconds: dict[str, float]


async def see(service: Parts, model: ServedModel, image: bytes, demand: Demand) -> Seen:
    """Decode and classify one encoded image.

    Raises:
        DeadlineExceeded: it came too late for one of the stages.
        ImageError: it cannot be used as an image.
        Unavailable: there is too much to do.
        RuntimeFailure: the runtime failed.
    """
    started = time.perf_counter()
    crop = await asyncio.wrap_future(
        service.decoders.submit(
            _decode, demand, image, model.bundle.manifest.preprocessing, service.photo_limits
        )
    )
    decode = time.perf_counter() - started
    service.metrics.decoded(crop.format)
    rows = {"image": crop.pixels[np.newaxis]}
    answer = await asyncio.wrap_future(model.classifier.submit(rows, demand))
    seconds = {
        "decode": decode,
        "queue": answer.queue_seconds,
        "inference": answer.inference_seconds,
    }
    embedding = answer.outputs.get("embedding")
    return Seen(
        crop, answer.outputs["logits"][0], None if embedding is None else embedding[0], seconds
    )


async def explain(
    service: Parts, room: Room, asked: ImageRequest[ExplainOptions], image: bytes
) -> Explained:
    """Decode, classify and explain one encoded image.

    `room` is in the explainers' pool: what could be refused is refused before any work.

    Raises:
        ImageError: it cannot be used as an image.
        InvalidRequest: the method does not take a parameter, or it does not fit the crop.
        UnknownClass: the target names no class, or more than one.
        Unsupported: the bundle has not got the method.
        Unavailable: there is too much to do, it is too late, or the graph is being loaded.
        RuntimeFailure: the runtime failed.
    """
    model, options, demand = asked.model, asked.options, asked.demand
    method = model.method(options.method)
    parameters = _parameters(options)
    check(method, parameters)
    network = model.network(demand)
    labels = model.bundle.manifest.labels
    seen = await see(service, model, image, demand)

    def resolved(name: str | int | None) -> Target:
        return targets.resolve(name, labels, seen.logits)

    against = None if options.against is None else resolved(options.against)
    asked_about = [options.target] if options.targets is None else options.targets
    questions = [Question(resolved(target), against) for target in asked_about]
    started = time.perf_counter()
    explanations = await asyncio.wrap_future(
        room.submit(explain_crop, network, seen.crop.pixels, questions, method, parameters)
    )
    service.metrics.explained(model.bundle.manifest.name, method)
    seconds = {**seen.seconds, "explain": time.perf_counter() - started}
    return Explained(seen, explanations, seconds)


def _decode(demand: Demand, image: bytes, preprocessing: Preprocessing, limits: Limits) -> Crop:
    demand.check()
    return preprocess(image, preprocessing, limits)


def _parameters(options: ExplainOptions) -> Parameters:
    """Those that the request set; the others keep their defaults."""
    given = options.model_fields_set & Parameters.model_fields.keys()
    return Parameters(**{name: getattr(options, name) for name in given})
