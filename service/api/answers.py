"""The shape that all answers about images share."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request

from models.errors import ImageError, SameClass
from service.api import exchange, parts, problems
from service.api.connection import while_connected
from service.api.requests import ImageRequest
from service.api.uploads import Upload

Answer = dict[str, Any]
AnswerOne = Callable[[str, bytes], Awaitable[Answer]]


async def answer(request: Request, asked: ImageRequest[Any], answer_one: AnswerOne) -> Answer:
    """Answer for one image, or for several in order, unless the client goes away.

    One bad image of several fails alone, in its place, and so does one whose answer is the very
    class that is asked about otherwise: before the answers are there, nobody can know.

    Args:
        request: the request.
        asked: what it asks for.
        answer_one: the answer for one image, given its id and its encoded bytes.

    Raises:
        SeeWhyError: from `answer_one`; of several images, the first that does not fail alone.
        ClientDisconnect: the client has gone.
    """
    manifest, request_id = asked.model.bundle.manifest, exchange.of(request).request_id
    head = {
        "request_id": request_id,
        "model": {"name": manifest.name, "version": manifest.version},
    }
    async with while_connected(request, asked.demand):
        return {**head, **await _outcome(request, asked.upload, answer_one)}


async def _outcome(request: Request, upload: Upload, answer_one: AnswerOne) -> Answer:
    """One image's answer, or those of several as `results`."""
    request_id = exchange.of(request).request_id
    ids = [f"{request_id}/{position}" for position in range(len(upload.images))]

    async def answer_at(position: int) -> Answer:
        return await answer_one(ids[position], upload.image(position))

    if len(ids) == 1:
        return await answer_at(0)
    outcomes = await asyncio.gather(*map(answer_at, range(len(ids))), return_exceptions=True)
    return {
        "results": [
            _in_place(request, outcome, image_id)
            for image_id, outcome in zip(ids, outcomes, strict=True)
        ],
    }


def timings(request: Request, stages: Mapping[str, float]) -> dict[str, float]:
    """Report one image's stages, in seconds, to the metrics; return milliseconds and `total`."""
    metrics, known, route = parts.of(request).metrics, exchange.of(request), _route(request)
    for stage, seconds in stages.items():
        metrics.stage(route, stage, seconds)
        known.stages[stage] = known.stages.get(stage, 0.0) + seconds
    total = time.perf_counter() - known.started
    return {stage: round(1000 * s, 3) for stage, s in {**stages, "total": total}.items()}


def _route(request: Request) -> str:
    return str(request.scope["route"].path)


def _in_place(request: Request, outcome: Answer | BaseException, image_id: str) -> Answer:
    if isinstance(outcome, ImageError | SameClass):
        parts.of(request).metrics.failed_image(_route(request), type(outcome).__name__)
        return {
            "image_id": image_id,
            "error": problems.describe(outcome, exchange.of(request).request_id),
        }
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
