"""`POST /explain`: why the model sees what it sees."""

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request, Response

from models.errors import InvalidRequest
from service.api import parts, presentation
from service.api.answers import answer, timings
from service.api.connection import while_connected
from service.api.documentation import PROBLEMS, image_request
from service.api.negotiation import prefers
from service.api.pipeline import explain as explain_image
from service.api.requests import ImageRequest, read_request
from service.api.schemas import ExplainOptions, Explanation, Explanations, TargetsExplanation
from service.core.heatmap import Style
from service.core.workers import Room

router = APIRouter(tags=["images"])

JSON = "application/json"
PNG = "image/png"


@router.post(
    "/explain",
    summary="Why the model sees what it sees",
    responses={
        200: {
            "model": Explanation | TargetsExplanation | Explanations,
            "content": {PNG: {"schema": {"type": "string", "format": "binary"}}},
        },
        **PROBLEMS,
    },
    openapi_extra=image_request(ExplainOptions, {"method": "gradcam", "target": "tabby"}),
)
async def explain(request: Request) -> Response:
    """The saliency map as JSON; with `Accept: image/png`, drawn over the (one) photo."""
    asked = await read_request(request, ExplainOptions)
    drawn, count = prefers(request.headers.get("accept", ""), PNG, JSON), len(asked.upload.images)
    if drawn and count > 1:
        raise InvalidRequest(f"{PNG} shows one image, and {count} were sent")
    if drawn and asked.options.targets is not None:
        raise InvalidRequest(f"{PNG} shows one map: name the class as target, not in targets")
    # Taken before any work and held to the end: what is begun is not refused half-way.
    with parts.of(request).explainers.reserve(count, asked.demand) as room:
        return await (_picture if drawn else _numbers)(request, asked, room)


async def _numbers(request: Request, asked: ImageRequest[ExplainOptions], room: Room) -> Response:
    service, model, form = parts.of(request), asked.model, asked.options.map

    async def explain_one(image_id: str, image: bytes) -> dict[str, Any]:
        explained = await explain_image(service, room, asked, image)
        bodies = [
            await asyncio.wrap_future(
                room.submit(presentation.body, explained.seen, each, model.temperature, form)
            )
            for each in explained.explanations
        ]
        several = asked.options.targets is not None
        return {
            "image_id": image_id,
            **({"explanations": bodies} if several else {"explanation": bodies[0]}),
            "timings_ms": timings(request, {"read": asked.read_seconds, **explained.seconds}),
        }

    content = await answer(request, model, asked.upload, explain_one)
    return Response(
        await asyncio.wrap_future(room.submit(json.dumps, content)),
        media_type=JSON,
    )


async def _picture(request: Request, asked: ImageRequest[ExplainOptions], room: Room) -> Response:
    service, image, options = parts.of(request), asked.upload.image(0), asked.options
    async with while_connected(request, asked.demand):
        explained = await explain_image(service, room, asked, image)
        (explanation,) = explained.explanations
        drawn = await asyncio.wrap_future(
            room.submit(
                presentation.picture,
                image,
                service.photo_limits,
                explained.seen,
                explanation,
                Style(options.view, options.colours, options.legend),
            )
        )
    timings(request, {"read": asked.read_seconds, **explained.seconds})
    note = presentation.note(explanation)
    return Response(drawn, headers={"X-SeeWhy-Note": note} if note else None, media_type=PNG)
