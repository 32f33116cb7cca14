"""`POST /explain`: why the model sees what it sees."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response

from models.errors import InvalidRequest, Unsupported
from models.photo import Limits
from models.preprocess import upright_photo
from service.api import parts, uploads
from service.api.answers import answer, timings
from service.api.documentation import PROBLEMS, image_request
from service.api.negotiation import prefers
from service.api.parts import Parts
from service.api.pipeline import Seen, see
from service.api.schemas import ExplainOptions, Explanations
from service.api.schemas import Explanation as ExplanationAnswer
from service.core import heatmap, saliency, targets
from service.core.classification import softmax
from service.core.localization import mass_box, to_photo
from service.core.ports import Runner
from service.core.saliency import Explanation
from service.core.serving import ServedModel

router = APIRouter(tags=["images"])

JSON = "application/json"
PNG = "image/png"
P = ParamSpec("P")
T = TypeVar("T")

ALL_ZERO = "the map is zero everywhere: the method finds nothing that speaks for this class"

_DIGITS = 5


@dataclass(frozen=True)
class _Explained:
    seen: Seen
    explanation: Explanation
    stages: dict[str, float]


@dataclass(frozen=True)
class _Explainer:
    """What explains the images of one request."""

    service: Parts
    model: ServedModel
    method: str
    runner: Runner
    target: int | str | None
    read_seconds: float

    async def explain(self, image: bytes) -> _Explained:
        labels = self.model.bundle.manifest.labels
        seen = await see(self.service, self.model, image)
        target = targets.resolve(self.target, labels, seen.logits)
        started = time.perf_counter()
        explanation = await self.in_thread(
            saliency.explain, self.method, self.runner, seen.crop.pixels, target, len(labels)
        )
        explain_seconds = time.perf_counter() - started
        stages = {"read": self.read_seconds, **seen.seconds, "explain": explain_seconds}
        return _Explained(seen, explanation, stages)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self.service.explainers.submit(function, *args, **kwargs))


@router.post(
    "/explain",
    summary="Why the model sees what it sees",
    responses={
        200: {
            "model": ExplanationAnswer | Explanations,
            "content": {PNG: {"schema": {"type": "string", "format": "binary"}}},
        },
        **PROBLEMS,
    },
    openapi_extra=image_request(ExplainOptions, {"method": "gradcam", "target": "tabby"}),
)
async def explain(request: Request) -> Response:
    """The saliency map as JSON; with `Accept: image/png`, drawn over the (one) photo."""
    service = parts.of(request)
    started = time.perf_counter()
    upload = await uploads.read(request, service.upload_limits)
    read = time.perf_counter() - started
    options = uploads.options_of(ExplainOptions, request.query_params, upload)
    model = await parts.model_for(request, options)
    method = options.method or _default_method(model)
    runner = model.explainer(method)
    explainer = _Explainer(service, model, method, runner, options.target, read)
    if prefers(request.headers.get("accept", ""), PNG, JSON):
        return await _picture(request, explainer, upload.images)

    async def explain_one(image_id: str, image: bytes) -> dict[str, Any]:
        explained = await explainer.explain(image)
        return {
            "image_id": image_id,
            "explanation": await explainer.in_thread(_body, explained, model.temperature),
            "timings_ms": timings(request, explained.stages),
        }

    content = await answer(request, model, upload, explain_one)
    return Response(await explainer.in_thread(json.dumps, content), media_type=JSON)


async def _picture(request: Request, explainer: _Explainer, images: tuple[bytes, ...]) -> Response:
    if len(images) > 1:
        raise InvalidRequest(f"{PNG} shows one image, and {len(images)} were sent")
    explained = await explainer.explain(images[0])
    limits = explainer.service.photo_limits
    drawn = await explainer.in_thread(_draw, images[0], limits, explained)
    timings(request, explained.stages)
    note = _note(explained.explanation)
    return Response(drawn, headers={"X-SeeWhy-Note": note} if note else None, media_type=PNG)


def _draw(image: bytes, limits: Limits, explained: _Explained) -> bytes:
    photo = upright_photo(image, limits)
    return heatmap.overlay(photo, explained.explanation.map, explained.seen.crop.box)


def _body(explained: _Explained, temperature: float) -> dict[str, Any]:
    explanation, target = explained.explanation, explained.explanation.target
    probabilities = softmax(explained.seen.logits, temperature)
    box = mass_box(explanation.map)
    if box is not None:
        box = to_photo(box, explanation.map.shape, explained.seen.crop.box)
    return {
        "method": explanation.method,
        "target": {
            "label": target.label,
            "index": target.index,
            "probability": float(probabilities[target.index]),
        },
        "map": {
            "dtype": str(explanation.map.dtype),
            "shape": explanation.map.shape,
            "data": _numbers(explanation.map),
        },
        "box": None if box is None else [round(edge, 2) for edge in box],
        "passes": explanation.passes,
        "note": _note(explanation),
    }


def _note(explanation: Explanation) -> str | None:
    return None if explanation.map.any() else ALL_ZERO


def _numbers(values: npt.NDArray[np.float32]) -> list[list[float]]:
    """The map's values, to 5 significant digits of the largest: shorter JSON."""
    largest = float(values.max())
    decimals = _DIGITS - 1 - math.floor(math.log10(largest)) if largest > 0 else 0
    rows: list[list[float]] = np.round(values.astype(np.float64), decimals).tolist()
    return rows


def _default_method(model: ServedModel) -> str:
    """The bundle's own choice.

    Raises:
        Unsupported: it has none.
    """
    method = model.bundle.manifest.default_explanation
    if method is None:
        possible = ", ".join(model.methods) or "none"
        raise Unsupported(f"{model.bundle} names no default method; possible methods: {possible}")
    return method
