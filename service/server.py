"""The application behind uvicorn."""

import asyncio
import signal
from types import FrameType

import uvicorn

from service.app import create_app
from service.settings import Settings


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight.

    Raises:
        SeeWhyError: the service cannot start.
    """
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    app = create_app(settings)
    # The lifespan is entered here, so that its error is not uvicorn's to print.
    async with app.router.lifespan_context(app):
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            lifespan="off",
            access_log=False,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
        # uvicorn raises a signal again after it has obeyed it.
        for obeyed in (signal.SIGINT, signal.SIGTERM):
            signal.signal(obeyed, _ignore)
        await uvicorn.Server(config).serve()


def _ignore(_: int, __: FrameType | None) -> None:
    pass
