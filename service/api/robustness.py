"""`POST /robustness`: how easily an answer is changed."""

import asyncio
import base64
import json
from typing import Any

from fastapi import APIRouter, Request, Response

from models.errors import InvalidRequest
from service.api import examining, parts
from service.api.answers import answer, timings
from service.api.connection import while_connected
from service.api.direct import DirectRoute
from service.api.documentation import PROBLEMS, image_request
from service.api.examining import Examiner
from service.api.negotiation import prefers
from service.api.pipeline import Seen, see
from service.api.requests import ImageRequest, read_request
from service.api.schemas.robustness import Robustness, Robustnesses, RobustnessOptions
from service.core.classification import predict
from service.core.robustness.examination import Examination
from service.core.robustness.picture import Comparison

router = APIRouter(tags=["images"], route_class=DirectRoute)

JSON = "application/json"
PNG = "image/png"


@router.post(
    "/robustness",
    summary="How easily the answer is changed",
    responses={
        200: {
            "model": Robustness | Robustnesses,
            "content": {PNG: {"schema": {"type": "string", "format": "binary"}}},
        },
        **PROBLEMS,
    },
    openapi_extra=image_request(RobustnessOptions, {"level": "fast"}),
)
async def robustness(request: Request) -> Response:
    """Attacks and mishaps that the answer survives or not; with `Accept: image/png`, one shown."""
    asked = await read_request(request, RobustnessOptions)
    options, count = asked.options, len(asked.upload.images)
    checks = examining.asked(
        parts.of(request), level=options.level, checks=options.checks, seed=options.seed
    )
    drawn = prefers(request.headers, PNG, JSON)
    if drawn and count > 1:
        raise InvalidRequest(f"{PNG} shows one image, and {count} were sent")
    with examining.examiner(request, asked, checks) as examiner:
        return await (_picture if drawn else _numbers)(request, asked, examiner)


async def _numbers(
    request: Request,
    asked: ImageRequest[RobustnessOptions],
    examiner: Examiner,
) -> Response:
    service, model = parts.of(request), asked.model
    labels = model.bundle.manifest.labels

    async def examine_one(image_id: str, image: bytes) -> dict[str, Any]:
        seen = await see(service, model, image, asked.demand)
        found, seconds = await examiner.examine(seen)
        (top,) = predict(seen.logits, labels, top_k=1, temperature=model.temperature)
        stages = {"read": asked.read_seconds, **seen.seconds, "robustness": seconds}
        return {
            "image_id": image_id,
            "prediction": {
                "label": top.label, "index": top.index, "probability": top.probability,
            },
            "robustness": examining.body(found, labels),
            **(await _pictured(examiner, seen, found) if asked.options.picture else {}),
            "timings_ms": timings(request, stages),
        }  # fmt: skip

    content = await answer(request, asked, examine_one)
    return Response(json.dumps(content, ensure_ascii=False), media_type=JSON)


async def _picture(
    request: Request,
    asked: ImageRequest[RobustnessOptions],
    examiner: Examiner,
) -> Response:
    service, model, image = parts.of(request), asked.model, asked.upload.image(0)
    async with while_connected(request, asked.demand):
        seen = await see(service, model, image, asked.demand)
        found, seconds = await examiner.examine(seen)
        shown = await _drawn(examiner, seen, found)
    if shown is None:
        raise InvalidRequest(f"none of the checks makes an image that {PNG} could show")
    check, drawn = shown
    timings(request, {"read": asked.read_seconds, **seen.seconds, "robustness": seconds})
    note = f"{check}; the change is amplified {drawn.factor:.3g} times; {found.reason}"
    return Response(drawn.png, headers={"X-SeeWhy-Note": _ascii(note)}, media_type=PNG)


async def _pictured(examiner: Examiner, seen: Seen, found: Examination) -> dict[str, Any]:
    """The picture as `schemas.RobustnessChecked` has it."""
    shown = await _drawn(examiner, seen, found)
    if shown is None:
        return {}
    check, drawn = shown
    png = base64.b64encode(drawn.png).decode()
    return {"picture": {"check": check, "amplified": drawn.factor, "png": png}}


async def _drawn(
    examiner: Examiner, seen: Seen, found: Examination
) -> tuple[str, Comparison] | None:
    """The check that is worth a picture, and that picture; None where no check makes an image."""
    shown = found.shown
    if shown is None or shown.finding.image is None:
        return None
    drawing = examiner.room.submit(examiner.draw, seen, shown.finding.image, shown.finding.answer)
    return shown.text, await asyncio.wrap_future(drawing)


def _ascii(note: str) -> str:
    """Headers hold no other characters; labels may."""
    return note.encode("ascii", "replace").decode("ascii")
