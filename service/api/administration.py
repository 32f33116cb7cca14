"""`POST /models/{name}/versions/{version}:load|:unload|:promote`: which versions answer."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from service.api import parts
from service.api.documentation import PROBLEMS
from service.api.models import summary
from service.api.schemas.models import ModelSummary, PromotionQuery

router = APIRouter(tags=["administration"], responses=PROBLEMS)

VERSION = "/models/{name}/versions/{version}"


@router.post(f"{VERSION}:load", summary="Load a version", response_model=ModelSummary)
async def load(request: Request, name: str, version: int) -> dict[str, Any]:
    """Load and check a version beside the one that answers."""
    service = parts.of(request)
    await asyncio.wrap_future(service.loaders.submit(service.catalogue.load, name, version))
    return await asyncio.to_thread(summary, service.catalogue, name)


@router.post(f"{VERSION}:promote", summary="Let a version answer", response_model=ModelSummary)
async def promote(
    request: Request, name: str, version: int, asked: Annotated[PromotionQuery, Query()]
) -> dict[str, Any]:
    """Load and check a version, then let it answer where a request names none."""
    service = parts.of(request)
    promotion = service.loaders.submit(
        service.catalogue.promote, name, version, until_restart=asked.until_restart
    )
    await asyncio.wrap_future(promotion)
    return await asyncio.to_thread(summary, service.catalogue, name)


@router.post(f"{VERSION}:unload", summary="Give a version up", response_model=ModelSummary)
async def unload(request: Request, name: str, version: int) -> dict[str, Any]:
    """Give a version up; it is closed once the requests that it is answering are answered."""
    service = parts.of(request)
    await asyncio.wrap_future(service.loaders.submit(service.catalogue.unload, name, version))
    return await asyncio.to_thread(summary, service.catalogue, name)
