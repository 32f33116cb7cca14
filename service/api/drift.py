"""`GET /drift`: whether live answers are still like those on calibration images."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from models.errors import NotReady, Unsupported
from service.api import parts
from service.api.documentation import PROBLEMS
from service.api.schemas.images import ModelQuery
from service.api.schemas.operation import Drift
from service.core.drift import FALSE_ALARMS

router = APIRouter(tags=["operation"])


@router.get("/drift", summary="Has traffic changed?", response_model=Drift, responses=PROBLEMS)
def show_drift(request: Request, asked: Annotated[ModelQuery, Query()]) -> dict[str, Any]:
    """The last full window of a loaded model's answers against its reference."""
    catalogue = parts.of(request).catalogue
    model = catalogue.find(asked.model, asked.version)
    if model is None:
        catalogue.expect(asked.model, asked.version)
        raise NotReady("the model is not loaded, so it has no answers to compare")
    if model.drift is None:
        raise Unsupported("this model has no reference to compare answers with")
    manifest, judged = model.bundle.manifest, model.drift.judged
    return {
        "model": {"name": manifest.name, "version": manifest.version},
        "window": model.drift.size,
        "gathered": model.drift.gathered,
        "windows": judged.windows,
        "drifted_in_a_row": judged.drifted_in_a_row,
        "false_alarm_rate": FALSE_ALARMS,
        "last": {
            statistic: {
                "value": finding.value,
                "threshold": finding.threshold,
                "drifted": finding.drifted,
            }
            for statistic, finding in judged.last.items()
        },
    }
