"""The way of every image, from its bytes to its logits."""

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
from service.core.ports import Arrays
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
    photo = _Photo(image, model.bundle.manifest.preprocessing, service.photo_limits)
    if model.plan.decodes:
        answering = model.classifier.submit_later(photo.decode, 1, demand)
    else:
        decoding = service.decoders.submit_later(photo.decode, 1, demand)
        decoded = await asyncio.wrap_future(decoding)
        answering = model.classifier.submit(decoded.outputs, demand)
    answer = await asyncio.wrap_future(answering)
    passed = time.perf_counter() - started
    service.metrics.decoded(photo.crop.format)
    seconds = {
        "decode": photo.seconds,
        "queue": max(0.0, passed - photo.seconds - answer.inference_seconds),
        "inference": answer.inference_seconds,
    }
    rows_of = {name: output[0] for name, output in answer.outputs.items()}
    return Seen(
        photo.crop, rows_of["logits"], rows_of.get("embedding"), rows_of.get("activations"), seconds
    )


class _Photo:
    """An encoded image; once it is decoded, its `crop`, and the `seconds` that took."""

    crop: Crop

    def __init__(self, image: bytes, preprocessing: Preprocessing, limits: Limits) -> None:
        self.seconds = 0.0
        self._image = image
        self._preprocessing = preprocessing
        self._limits = limits

    def decode(self) -> Arrays:
        """What `model.onnx` takes of it."""
        started = time.perf_counter()
        self.crop = preprocess(self._image, self._preprocessing, self._limits)
        self.seconds = time.perf_counter() - started
        return {"image": self.crop.pixels[np.newaxis]}
