"""The way of every image: decoded in a thread, classified in a batch."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.preprocess import Crop, preprocess
from service.api.parts import Parts
from service.core.serving import ServedModel


@dataclass(frozen=True)
class Seen:
    """One image as the model saw it: its crop, float32 logits [K], and seconds by stage."""

    crop: Crop
    logits: npt.NDArray[np.float32]
    seconds: dict[str, float]


async def see(service: Parts, model: ServedModel, image: bytes) -> Seen:
    """Decode and classify one encoded image.

    Raises:
        ImageError: it cannot be used as an image.
        Unavailable: there is too much to do.
        RuntimeFailure: the runtime failed.
    """
    started = time.perf_counter()
    crop = await asyncio.wrap_future(
        service.decoders.submit(
            preprocess, image, model.bundle.manifest.preprocessing, service.photo_limits
        )
    )
    decode = time.perf_counter() - started
    answer = await asyncio.wrap_future(model.classifier.submit({"image": crop.pixels[np.newaxis]}))
    seconds = {
        "decode": decode,
        "queue": answer.queue_seconds,
        "inference": answer.inference_seconds,
    }
    return Seen(crop, answer.outputs["logits"][0], seconds)
