"""The application behind uvicorn."""

import asyncio
import gc
import logging
import signal
import socket
from contextlib import ExitStack
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.protocol import Connection
from service.settings import Settings

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight.

    Before the service is ready, either ends the process at once.

    Raises:
        SeeWhyError: the service cannot start.
        OSError: the address cannot be listened on; known before anything is loaded.
    """
    # There is nothing to finish yet, and the thread that loads a model could not be interrupted.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    with (
        _bound(settings.host, settings.port) as listener,
        asyncio.Runner(loop_factory=config.get_loop_factory()) as runner,
    ):
        runner.run(_serve(app, uvicorn.Server(config), listener))


async def _serve(app: FastAPI, server: uvicorn.Server, listener: socket.socket) -> None:
    # The lifespan is entered here, so that its error is not uvicorn's to print.
    async with app.router.lifespan_context(app):
        # uvicorn raises a signal again after it has obeyed it.
        for obeyed in (signal.SIGINT, signal.SIGTERM):
            signal.signal(obeyed, _ignore)
        # What is there by now stays. To look through it for garbage stopped all for 50 ms and more.
        gc.collect()
        gc.freeze()
        listener.listen()
        host, port, *_ = listener.getsockname()
        logger.info("serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        await server.serve(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    with ExitStack() as undo:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, address = found[0]
            listener = undo.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            raise OSError(
                f"cannot listen on {host}:{port}: {error.strerror} "
                "(SEEWHY_HOST and SEEWHY_PORT set the address)"
            ) from error
        undo.pop_all()
    return listener


def _ignore(_: int, __: FrameType | None) -> None:
    pass
