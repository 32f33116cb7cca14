"""The page, the dashboard, and the files that they are made of."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.staticfiles import StaticFiles

router = APIRouter(tags=["pages"])

FOLDER = Path(__file__).parents[1] / "web"

# `blob:` is a photo that was picked, or a picture that the service drew.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    # Kept, and asked about every time: after an update nobody sees old and new files mixed.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_files = StaticFiles(directory=FOLDER)


@router.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    """Where a person asks what a photo shows, and why."""
    return await _file("index.html", request)


@router.get("/dashboard", include_in_schema=False)
async def dashboard(request: Request) -> Response:
    """What the service is doing now."""
    return await _file("dashboard.html", request)


@router.get("/web/{path:path}", include_in_schema=False)
async def asset(request: Request, path: str) -> Response:
    """A style sheet, module, picture or sample photo."""
    return await _file(path, request)


async def _file(path: str, request: Request) -> Response:
    """A file of the folder and nothing outside it; 304 where the client has it, 404 without it."""
    response = await _files.get_response(path, request.scope)
    response.headers.update(_HEADERS)
    return response
