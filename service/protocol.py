"""uvicorn's side of one connection, with bounds to what a client may send and let wait.

uvicorn reads a head without end, waits for the rest of one without end, and keeps an answer
for a client who does not read it for as long as the connection stands. Behind the head, the
request's own time bounds how long a body may take; see `service.api.bodies`.
"""

import asyncio
from asyncio import TimerHandle
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_USELESS = 64 * 1024
"""Bytes in a row that may be neither the end of a head nor part of a body."""

HEAD_SECONDS = 10.0
"""How long a connection on which nothing is being answered may take to bring a whole head."""

WRITE_SECONDS = 30.0
"""How long a client may read nothing of what waits for it."""

LAST_SECONDS = 0.5
"""What was sent before a shutdown began may take so long to be read."""


class Connection(HttpToolsProtocol):
    """One connection. It is closed where a bound is passed, with 400 where that helps."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._useful = False
        self._useless_bytes = 0
        self._leaving = False
        self._running: RequestResponseCycle | None = None
        self._awaiting: TimerHandle | None = None
        self._writing: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was sent away."""
        self._stop_awaiting()
        self.resume_writing()
        # uvicorn tells the last request that was sent, not the one that is being answered.
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a piece of what the client sends."""
        self._useful = False
        super().data_received(data)
        self._useless_bytes = 0 if self._useful else self._useless_bytes + len(data)
        if self.transport.is_closing():
            return
        if self._useless_bytes > MOST_USELESS:
            self.send_400_response(f"More than {MOST_USELESS} bytes of headers.")
        elif not self._answering:
            self._await_head()

    def on_headers_complete(self) -> None:
        """A head was read whole."""
        self._useful = True
        self._stop_awaiting()
        super().on_headers_complete()
        if self._leaving and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Some of a body was read."""
        self._useful = True
        super().on_body(body)

    def timeout_keep_alive_handler(self) -> None:
        """No further request has come."""
        self._close()

    def pause_writing(self) -> None:
        """The kernel takes no more, and much of an answer is left."""
        super().pause_writing()
        self._expect_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has taken most of that."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def shutdown(self) -> None:
        """Answer what was sent by now, then close."""
        self._leaving = True
        if self._answering:
            super().shutdown()
        else:
            self.loop.call_later(LAST_SECONDS, super().shutdown)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close(self) -> None:
        """Close, once the client has read the rest, if it ever does."""
        self.transport.close()
        if self._writing is None and (waiting := self.transport.get_write_buffer_size()):
            self._expect_reading(waiting)

    def _await_head(self) -> None:
        if self._awaiting is None:
            self._awaiting = self.loop.call_later(HEAD_SECONDS, self._close)

    def _stop_awaiting(self) -> None:
        if self._awaiting is not None:
            self._awaiting.cancel()
            self._awaiting = None

    def _expect_reading(self, waiting: int) -> None:
        """Look later whether the client has read any of so many bytes."""
        self._writing = self.loop.call_later(WRITE_SECONDS, self._look_for_reading, waiting)

    def _look_for_reading(self, before: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting < before:
            self._expect_reading(waiting)
        else:
            self.transport.abort()
