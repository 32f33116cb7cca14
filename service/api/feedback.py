"""`POST /feedback`: what images really show; `GET /feedback`: how often answers were right."""

import asyncio
import sqlite3
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from models.errors import NotReady, Unsupported
from service.api import bodies, exchange, parts
from service.api.documentation import PROBLEMS
from service.api.schemas.feedback import Feedback, LiveAccuracies, Noted
from service.core.targets import named
from service.predictions import store
from service.predictions.log import PredictionLog

router = APIRouter(tags=["operation"])


@router.post(
    "/feedback",
    summary="What an image really shows",
    response_model=Noted,
    responses=PROBLEMS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {bodies.JSON: {"schema": Feedback.model_json_schema()}},
        }
    },
)
async def note(request: Request) -> dict[str, Any]:
    """Say which class is the right one for an image that `/classify` has answered."""
    service, log = parts.of(request), _log(request)
    feedback = await bodies.read_json(request, Feedback)
    found = await asyncio.wrap_future(log.ask(lambda store: store.find(feedback.image_id)))
    bundle = await asyncio.to_thread(service.catalogue.repository.open, found.model, found.version)
    label = named(feedback.label, bundle.manifest.labels).label
    await asyncio.wrap_future(log.ask(lambda store: store.label(feedback.image_id, label)))
    right = found.predicted == label
    service.metrics.feedback(found.model, right=right)
    exchange.of(request).model = found.model
    return {
        "image_id": feedback.image_id,
        "model": {"name": found.model, "version": found.version},
        "label": label,
        "predicted": found.predicted,
        "right": right,
    }


@router.get(
    "/feedback",
    summary="How often was it right?",
    response_model=LiveAccuracies,
    responses=PROBLEMS,
)
def live_accuracy(request: Request) -> dict[str, Any]:
    """Each version's accuracy on the images whose label is known, as far as they are remembered."""
    try:
        found = store.accuracy(_log(request).path)
    except sqlite3.Error as error:
        raise NotReady(f"the prediction log cannot be read: {error}") from error
    return {
        "versions": [{**asdict(each), "accuracy": each.right / each.labelled} for each in found]
    }


def _log(request: Request) -> PredictionLog:
    log = parts.of(request).prediction_log
    if log is None:
        raise Unsupported(
            "this service does not remember its answers: SEEWHY_PREDICTION_LOG names no file"
        )
    return log
