"""`GET /models`: what can be asked."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from service.api import parts
from service.api.documentation import PROBLEMS
from service.api.schemas import ModelDetails, ModelList
from service.core.catalogue import Catalogue

router = APIRouter(tags=["models"])


@router.get("/models", summary="All models", response_model=ModelList, responses=PROBLEMS)
def list_models(request: Request) -> dict[str, Any]:
    """The repository's models and their versions."""
    catalogue = parts.of(request).catalogue
    return {"models": [_summary(catalogue, name) for name in catalogue.repository.names()]}


@router.get("/models/{name}", summary="One model", response_model=ModelDetails, responses=PROBLEMS)
def show_model(
    request: Request, name: str, version: Annotated[int | None, Query(ge=1)] = None
) -> dict[str, Any]:
    """A model and the manifest of one of its versions, the current one by default."""
    catalogue = parts.of(request).catalogue
    manifest = catalogue.repository.open(name, version).manifest
    return {**_summary(catalogue, name), "manifest": manifest.model_dump(mode="json")}


def _summary(catalogue: Catalogue, name: str) -> dict[str, Any]:
    manifests = [model.bundle.manifest for model in catalogue.loaded()]
    return {
        "name": name,
        "versions": catalogue.repository.versions(name),
        "current": catalogue.repository.current(name),
        "default": name == catalogue.default_name,
        "loaded": sorted(manifest.version for manifest in manifests if manifest.name == name),
    }
