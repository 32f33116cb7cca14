"""Work that ends with the connection of the client who wanted it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.core.demand import Demand


@asynccontextmanager
async def while_connected(request: Request, demand: Demand) -> AsyncGenerator[None]:
    """Cancel what is awaited inside, and abandon the demand, once the client has gone.

    The request's body has to have been read: what comes after it can only be the end.

    Raises:
        ClientDisconnect: the client has gone.
    """
    working = asyncio.current_task()
    assert working is not None  # noqa: S101  # a coroutine always runs in a task
    watching = asyncio.create_task(_next_message(request))
    gone = False

    def leave(_: asyncio.Task[Message]) -> None:
        nonlocal gone
        if not watching.cancelled():
            gone = True
            working.cancel()

    watching.add_done_callback(leave)
    try:
        yield
    except asyncio.CancelledError:
        demand.abandoned.set()
        if not gone:
            raise
        working.uncancel()
        raise ClientDisconnect from None
    finally:
        watching.remove_done_callback(leave)
        watching.cancel()


async def _next_message(request: Request) -> Message:
    return await request.receive()
