"""`POST /classify`: what images show."""

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from service.api import parts
from service.api.answers import answer, timings
from service.api.documentation import PROBLEMS, image_request
from service.api.pipeline import see
from service.api.requests import read_request
from service.api.schemas import Classification, Classifications, ClassifyOptions
from service.core.classification import predict

router = APIRouter(tags=["images"])


@router.post(
    "/classify",
    summary="What images show",
    responses={200: {"model": Classification | Classifications}, **PROBLEMS},
    openapi_extra=image_request(ClassifyOptions, {"top_k": 3}),
)
async def classify(request: Request) -> Response:
    """The most probable classes of one image, or of several."""
    service = parts.of(request)
    asked = await read_request(request, ClassifyOptions)
    model, labels = asked.model, asked.model.bundle.manifest.labels

    async def classify_one(image_id: str, image: bytes) -> dict[str, Any]:
        seen = await see(service, model, image, asked.demand)
        predictions = predict(
            seen.logits, labels, top_k=asked.options.top_k, temperature=model.temperature
        )
        return {
            "image_id": image_id,
            "predictions": [
                {"label": found.label, "index": found.index, "probability": found.probability}
                for found in predictions
            ],
            "calibrated": model.calibrated,
            "timings_ms": timings(request, {"read": asked.read_seconds, **seen.seconds}),
        }

    with service.admission.hold(len(asked.upload.images), asked.demand):
        content = await answer(request, model, asked.upload, classify_one)
    body = json.dumps(content, ensure_ascii=False)
    return Response(body, media_type="application/json")
