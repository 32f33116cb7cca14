"""The service inside this process: the same code and answers as over the network, no server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from seewhy.client import AsyncClient
from service.app import create_app
from service.settings import Settings


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[AsyncClient]:
    """Start the service, lend a client of it, and shut it down.

    Raises:
        BundleError: a bundle cannot be used.
        ProviderUnavailable: the execution provider is not here.
    """
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        AsyncClient("http://seewhy", transport=httpx.ASGITransport(app)) as client,
    ):
        yield client
