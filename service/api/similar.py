"""`POST /embed` and `POST /similar`: an image as a vector, and what it is like."""

import asyncio
import base64
import json
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response

from models.errors import InvalidRequest, Unsupported
from service.api import parts
from service.api.answers import answer, timings
from service.api.direct import DirectRoute
from service.api.documentation import PROBLEMS, image_request
from service.api.negotiation import prefers
from service.api.pipeline import Seen, see
from service.api.requests import read_request
from service.api.schemas.similar import (
    Embedded,
    Embeddings,
    EmbedOptions,
    Similar,
    Similarities,
    SimilarOptions,
)
from service.core import retrieval
from service.core.serving import ServedModel

router = APIRouter(tags=["images"], route_class=DirectRoute)

JSON = "application/json"
BINARY = "application/octet-stream"


@router.post(
    "/embed",
    summary="Images as vectors",
    responses={
        200: {
            "model": Embedded | Embeddings,
            "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
        },
        **PROBLEMS,
    },
    openapi_extra=image_request(EmbedOptions, {}),
)
async def embed(request: Request) -> Response:
    """What the classifier takes of an image.

    With `Accept: application/octet-stream`, of one image as little-endian float32.
    """
    service = parts.of(request)
    asked = await read_request(request, EmbedOptions)
    count = len(asked.upload.images)
    if prefers(request.headers, BINARY, JSON):
        if count > 1:
            raise InvalidRequest(f"{BINARY} holds one image, and {count} were sent")
        with service.admission.hold(count, asked.demand) as embedded:
            seen = await see(service, asked.model, asked.upload.image(0), asked.demand)
            embedded()
        timings(request, {"read": asked.read_seconds, **seen.seconds})
        return Response(_embedding(seen).astype("<f4").tobytes(), media_type=BINARY)

    async def embed_one(image_id: str, image: bytes) -> dict[str, Any]:
        seen = await see(service, asked.model, image, asked.demand)
        embedded()
        return {
            "image_id": image_id,
            "embedding": _embedding(seen).tolist(),
            "timings_ms": timings(request, {"read": asked.read_seconds, **seen.seconds}),
        }

    with service.admission.hold(count, asked.demand) as embedded:
        content = await answer(request, asked, embed_one)
    return Response(json.dumps(content), media_type=JSON)


@router.post(
    "/similar",
    summary="The training images that are most like an image",
    responses={200: {"model": Similar | Similarities}, **PROBLEMS},
    openapi_extra=image_request(SimilarOptions, {"top_k": 3}),
)
async def similar(request: Request) -> Response:
    """The nearest training images of one image, or of several, with their classes."""
    service = parts.of(request)
    asked = await read_request(request, SimilarOptions)
    model = asked.model
    if model.index is None:
        raise Unsupported("this model has no index of the images that it has learned from")
    index = model.index.ready()

    async def similar_one(image_id: str, image: bytes) -> dict[str, Any]:
        seen = await see(service, model, image, asked.demand)
        embedded()
        started = time.perf_counter()
        found = await asyncio.wrap_future(
            service.explainers.submit(
                retrieval.nearest, index, _embedding(seen), asked.options.top_k
            )
        )
        seconds = {**seen.seconds, "search": time.perf_counter() - started}
        return {
            "image_id": image_id,
            "neighbours": [_neighbour(each, model) for each in found],
            "timings_ms": timings(request, {"read": asked.read_seconds, **seconds}),
        }

    with service.admission.hold(len(asked.upload.images), asked.demand) as embedded:
        content = await answer(request, asked, similar_one)
    return Response(json.dumps(content, ensure_ascii=False), media_type=JSON)


def _neighbour(found: retrieval.Neighbour, model: ServedModel) -> dict[str, Any]:
    """A neighbour as `schemas.Neighbour` has it, without a thumbnail where there is none."""
    listed = {
        "id": found.id,
        "label": model.bundle.manifest.labels[found.index],
        "index": found.index,
        "distance": found.distance,
    }
    if model.thumbnails is not None:
        listed["thumbnail"] = base64.b64encode(model.thumbnails[found.row]).decode()
    return listed


def _embedding(seen: Seen) -> npt.NDArray[np.float32]:
    """The embedding [D].

    Raises:
        Unsupported: the model's graph has none.
    """
    if seen.embedding is None:
        raise Unsupported("this model's graph has no embedding")
    return seen.embedding
