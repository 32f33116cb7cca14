"""The way of every image: decoded in a thread, classified in a batch."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.manifest import Preprocessing
from models.photo import Limits
from models.preprocess import Crop, preprocess
from service.api.parts import Parts
from service.core.demand import Demand
from service.core.serving import ServedModel


@dataclass(frozen=True)
class Seen:
    """One image as the model saw it: its crop, float32 logits [K], and seconds by stage.

    `embedding` float32 [D] is None where the model's graph has no such output; `activations`
    float32 [C, h, w] of the explained layer where they are not fetched.
    """

    crop: Crop
    logits: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32] | None
    activations: npt.NDArray[np.float32] | None
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
    rows_of = {name: output[0] for name, output in answer.outputs.items()}
    return Seen(
        crop, rows_of["logits"], rows_of.get("embedding"), rows_of.get("activations"), seconds
    )


def _decode(demand: Demand, image: bytes, preprocessing: Preprocessing, limits: Limits) -> Crop:
    demand.check()
    return preprocess(image, preprocessing, limits)
