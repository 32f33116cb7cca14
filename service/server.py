"""The application behind uvicorn."""

import asyncio
import signal
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight.

    Raises:
        SeeWhyError: the service cannot start.
    """
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="off",
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(app, uvicorn.Server(config)))


async def _serve(app: FastAPI, server: uvicorn.Server) -> None:
    # The lifespan is entered here, so that its error is not uvicorn's to print.
    async with app.router.lifespan_context(app):
        # uvicorn raises a signal again after it has obeyed it.
        for obeyed in (signal.SIGINT, signal.SIGTERM):
            signal.signal(obeyed, _ignore)
        await server.serve()


def _ignore(_: int, __: FrameType | None) -> None:
    pass
