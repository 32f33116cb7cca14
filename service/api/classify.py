"""`POST /classify`: what images show, and how far to trust it."""

import time
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import chain, islice
from typing import Any

from fastapi import APIRouter, Request, Response

from service.api import examining, explaining, parts
from service.api.answers import answer, timings
from service.api.direct import DirectRoute
from service.api.documentation import PROBLEMS, image_request
from service.api.examining import Examiner
from service.api.explaining import Explainer
from service.api.json_text import encode
from service.api.pipeline import see
from service.api.requests import ImageRequest, read_request
from service.api.schemas.classify import Classification, Classifications, ClassifyOptions
from service.core import trust
from service.core.classification import Prediction, ranked, softmax
from service.core.saliency.parameters import Parameters
from service.core.trust import Asked, Assessment, Place
from service.predictions.store import Answered

router = APIRouter(tags=["images"], route_class=DirectRoute)


@router.post(
    "/classify",
    summary="What images show",
    responses={200: {"model": Classification | Classifications}, **PROBLEMS},
    openapi_extra=image_request(ClassifyOptions, {"top_k": 3}),
)
async def classify(request: Request) -> Response:
    """The most probable classes of one image, or of several, and whether to accept them."""
    asked = await read_request(request, ClassifyOptions)
    options, examiner, explainer = asked.options, None, None
    with ExitStack() as rooms:
        if options.robustness is not None:
            checks = examining.asked(parts.of(request), level=options.robustness)
            examiner = rooms.enter_context(examining.examiner(request, asked, checks))
        if options.explain is not None:
            why = explaining.Asked(options.explain, Parameters())
            explainer = rooms.enter_context(explaining.explainer(request, asked, why))
        return await _respond(request, asked, examiner, explainer)


async def _respond(
    request: Request,
    asked: ImageRequest[ClassifyOptions],
    examiner: Examiner | None,
    explainer: Explainer | None,
) -> Response:
    service, model, options = parts.of(request), asked.model, asked.options
    labels = model.bundle.manifest.labels
    terms = model.terms(
        Asked(options.coverage, options.sets, options.min_probability, options.max_ood_percentile)
    )

    async def classify_one(image_id: str, image: bytes) -> dict[str, Any]:
        seen = await see(service, model, image, asked.demand)
        classified()
        stages = {"read": asked.read_seconds, **seen.seconds}
        probabilities = softmax(seen.logits, model.temperature)
        robustness: dict[str, Any] = {}
        explanation: dict[str, Any] = {}
        if examiner is not None:
            examined, stages["robustness"] = await examiner.examine(seen)
            robustness["robustness"] = examining.body(examined, labels)
        if explainer is not None:
            maps, stages["explain"] = await explainer.bodies(seen, probabilities, options.map)
            (explanation["explanation"],) = maps
        started = time.perf_counter()
        rest = ranked(probabilities, labels)
        predictions, assessment = tuple(islice(rest, options.top_k)), None
        if model.drift is not None and seen.embedding is not None:
            model.drift.record(predictions[0], seen.embedding)
        if terms is not None:
            novelty = model.novelty(seen.logits, seen.embedding)
            assessment = trust.assess(chain(predictions, rest), novelty, terms)
        manifest = model.bundle.manifest
        service.metrics.answered(manifest.name, predictions[0], assessment)
        found = {
            "predictions": _listed(predictions),
            "calibrated": terms is not None,
            **_assessed(assessment),
            **robustness,
        }
        if service.prediction_log is not None:
            service.prediction_log.record(
                Answered(image_id, time.time(), manifest.name, manifest.version, image, found)
            )
        stages["postprocess"] = time.perf_counter() - started
        # The log goes without the map, which is a thousand times as long as the rest.
        stated = timings(request, stages)
        return {"image_id": image_id, **found, **explanation, "timings_ms": stated}

    with service.admission.hold(len(asked.upload.images), asked.demand) as classified:
        content = await answer(request, asked, classify_one)
    return Response(encode(content), media_type="application/json")


def _assessed(assessment: Assessment | None) -> dict[str, Any]:
    """An assessment as `schemas.Classified` has it, less what is not known."""
    found: dict[str, Any] = {}
    if assessment is None:
        return found
    if assessment.prediction_set is not None:
        found["coverage"] = assessment.coverage
        found["prediction_set"] = _listed(assessment.prediction_set)
    if (novelty := assessment.novelty) is not None:
        found["ood"] = {**_placed(novelty.nearest_neighbour), "energy": _placed(novelty.energy)}
    if (decision := assessment.decision) is not None:
        found["decision"] = decision.verdict
        found["reason"] = decision.reason
    return found


def _placed(place: Place) -> dict[str, float]:
    return {"score": place.score, "percentile": place.percentile}


def _listed(predictions: Iterable[Prediction]) -> list[dict[str, Any]]:
    return [
        {"label": found.label, "index": found.index, "probability": found.probability}
        for found in predictions
    ]
