"""The service inside this process: the same code and answers as over the network, no server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from seewhy.client import AsyncClient
from service.app import create_app
from service.runtime.tuning import Tuning
from service.settings import Settings

WAIT_SECONDS = "0.05"
PATIENCE_SECONDS = 24 * 60 * 60
"""Whoever waits for a command can end it: no deadline of a server is to."""


class Impatient(httpx.ASGITransport):
    """Has the client ask again soon: inside one process a long wait spares nobody."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the application, and shorten the wait that it asks for."""
        response = await super().handle_async_request(request)
        if "Retry-After" in response.headers:
            response.headers["Retry-After"] = WAIT_SECONDS
        return response


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[AsyncClient]:
    """Start the service, lend a client of it, and shut it down.

    Raises:
        BundleError: a bundle cannot be used.
        ProviderUnavailable: the execution provider is not here.
    """
    # Measuring what is quickest takes longer than most commands.
    within = settings.model_copy(update={"tune": Tuning.OFF, "timeout_ms": 1000 * PATIENCE_SECONDS})
    app = create_app(within)
    async with (
        app.router.lifespan_context(app),
        AsyncClient("http://seewhy", timeout=PATIENCE_SECONDS, transport=Impatient(app)) as client,
    ):
        yield client
