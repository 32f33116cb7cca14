"""Whether the service lives, what it can do, and its metrics."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.api import parts, problems
from service.api.documentation import PROBLEMS
from service.api.parts import Parts
from service.api.schemas.operation import Health, Readiness
from service.core.serving import ServedModel

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="Is the process alive?", response_model=Health)
async def healthz() -> dict[str, str]:
    """Always ok: what answers is alive."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Can it classify?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "No"}, **PROBLEMS},
)
async def readyz(request: Request, response: Response) -> dict[str, Any]:
    """Ready once the default model can classify; each graph's state and provider."""
    service = parts.of(request)
    ready = service.catalogue.find(None, None) is not None
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return {
        "ready": ready,
        "provider": service.provider,
        "devices": service.devices,
        "prediction_log": _prediction_log(service),
        "models": [_loaded(model, service) for model in service.catalogue.loaded()],
    }


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """The metrics that docs/metrics.md lists, in Prometheus' text format."""
    return PlainTextResponse(
        generate_latest(parts.of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST
    )


def _prediction_log(service: Parts) -> dict[str, str]:
    if service.prediction_log is None:
        return {"state": "off"}
    failure = service.prediction_log.state.failure
    return {"state": "writing"} if failure is None else {"state": "failed", "reason": failure}


def _similar_search(model: ServedModel) -> dict[str, Any] | None:
    if model.index is None:
        return None
    return {"search": model.index.search, **asdict(model.index.status)}


def _loaded(model: ServedModel, service: Parts) -> dict[str, Any]:
    manifest, root = model.bundle.manifest, service.catalogue.repository.root
    return {
        "name": manifest.name,
        "version": manifest.version,
        "plan": asdict(model.plan),
        "similar_search": _similar_search(model),
        "graphs": {
            graph: {
                "state": status.state,
                "provider": service.provider,
                "reason": status.reason and problems.public(status.reason, root),
            }
            for graph, status in model.status.items()
        },
    }
