"""`POST /explain`: why the model sees what it sees."""

from typing import Any

from fastapi import APIRouter, Request, Response

from models.errors import InvalidRequest
from service.api import explaining, parts, presentation
from service.api.answers import answer, timings
from service.api.connection import while_connected
from service.api.direct import DirectRoute
from service.api.documentation import PROBLEMS, image_request
from service.api.explaining import Explainer
from service.api.json_text import encode
from service.api.negotiation import prefers
from service.api.pipeline import see
from service.api.requests import ImageRequest, read_request
from service.api.schemas.explain import (
    ExplainOptions,
    Explanation,
    Explanations,
    TargetsExplanation,
)
from service.core.classification import softmax
from service.core.heatmap import Style
from service.core.saliency.explanation import Explanation as Explained

router = APIRouter(tags=["images"], route_class=DirectRoute)

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
    drawn, count = prefers(request.headers, PNG, JSON), len(asked.upload.images)
    if drawn and count > 1:
        raise InvalidRequest(f"{PNG} shows one image, and {count} were sent")
    if drawn and asked.options.targets is not None:
        raise InvalidRequest(f"{PNG} shows one map: name the class as target, not in targets")
    if drawn and asked.options.quality:
        raise InvalidRequest(f"{PNG} cannot show the quality: accept {JSON} for it")
    with explaining.explainer(request, asked, explaining.asked(asked.options)) as explainer:
        return await (_picture if drawn else _numbers)(request, asked, explainer)


async def _numbers(
    request: Request, asked: ImageRequest[ExplainOptions], explainer: Explainer
) -> Response:
    service, model, options = parts.of(request), asked.model, asked.options

    async def explain_one(image_id: str, image: bytes) -> dict[str, Any]:
        seen = await see(service, model, image, asked.demand)
        probabilities = softmax(seen.logits, model.temperature)
        bodies, seconds = await explainer.bodies(seen, probabilities, options.map)
        several = options.targets is not None
        stages = {"read": asked.read_seconds, **seen.seconds, "explain": seconds}
        return {
            "image_id": image_id,
            **({"explanations": bodies} if several else {"explanation": bodies[0]}),
            "timings_ms": timings(request, stages),
        }

    content = await answer(request, asked, explain_one)
    return Response(encode(content), media_type=JSON)


async def _picture(
    request: Request, asked: ImageRequest[ExplainOptions], explainer: Explainer
) -> Response:
    service, image, options = parts.of(request), asked.upload.image(0), asked.options
    style = Style(options.view, options.colours, options.legend)
    async with while_connected(request, asked.demand):
        seen = await see(service, asked.model, image, asked.demand)

        def show(explanations: list[Explained]) -> tuple[bytes, str | None]:
            (explanation,) = explanations
            limits = service.photo_limits
            drawn = presentation.picture(image, limits, seen, explanation, style)
            return drawn, presentation.note(explanation)

        (drawn, note), seconds = await explainer.explain(seen, show)
    timings(request, {"read": asked.read_seconds, **seen.seconds, "explain": seconds})
    return Response(drawn, headers={"X-SeeWhy-Note": note} if note else None, media_type=PNG)
