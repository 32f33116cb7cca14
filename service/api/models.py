"""`GET /models`: what can be asked."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from models.errors import BundleError
from models.repository import Repository
from service.api import parts, problems
from service.api.documentation import PROBLEMS
from service.api.schemas.images import VersionQuery
from service.api.schemas.models import ModelDetails, ModelList
from service.core.catalogue import Catalogue
from service.core.saliency.methods import METHODS, possible

router = APIRouter(tags=["models"])


@router.get("/models", summary="All models", response_model=ModelList, responses=PROBLEMS)
def list_models(request: Request) -> dict[str, Any]:
    """The repository's models and their versions."""
    catalogue = parts.of(request).catalogue
    return {"models": [summary(catalogue, name) for name in catalogue.repository.names()]}


@router.get("/models/{name}", summary="One model", response_model=ModelDetails, responses=PROBLEMS)
def show_model(
    request: Request, name: str, asked: Annotated[VersionQuery, Query()]
) -> dict[str, Any]:
    """A model and the manifest of one of its versions, the current one by default."""
    catalogue = parts.of(request).catalogue
    manifest = catalogue.repository.open(name, asked.version).manifest
    return {
        **summary(catalogue, name),
        "methods": {method: METHODS[method].parameters for method in possible(manifest)},
        "manifest": manifest.model_dump(mode="json"),
    }


def summary(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """A model's versions: what there is, what is loaded, what answers.

    Raises:
        BundleNotFound: there is no such model.
    """
    manifests = [model.bundle.manifest for model in catalogue.loaded()]
    current, error = _current(catalogue.repository, name)
    return {
        "name": name,
        "versions": catalogue.repository.versions(name),
        "current": current,
        "serving": catalogue.serving(name),
        "default": name == catalogue.default_name,
        "loaded": sorted(manifest.version for manifest in manifests if manifest.name == name),
        "error": error,
    }


def _current(repository: Repository, name: str) -> tuple[int | None, str | None]:
    """The current version, or why there is none: one broken bundle must not hide the others."""
    try:
        return repository.open(name).manifest.version, None
    except BundleError as error:
        return None, problems.public(str(error), repository.root)
