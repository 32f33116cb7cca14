"""Bytes go in by hand; the clock is a list of what was to be called later."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from service.protocol import HEAD_SECONDS, LAST_SECONDS, MOST_USELESS, WRITE_SECONDS, Connection

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


class Timer:
    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        self.seconds = seconds
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Starts no task: what a test finishes is finished by `answer`."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, call: Callable[..., object], *args: Any) -> Timer:
        self.timers.append(Timer(seconds, lambda: call(*args)))
        return self.timers[-1]

    def create_task(self, coroutine: Any, **_: Any) -> Future[None]:
        coroutine.close()
        return Future()

    def pass_(self, seconds: float) -> None:
        """Call what is due after so many seconds, and was not cancelled."""
        due = [each for each in self.timers if each.seconds == seconds and not each.cancelled]
        self.timers = [each for each in self.timers if each not in due]
        for timer in due:
            timer.call()


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.waiting = 0
        self.state = "open"

    def get_extra_info(self, _: str, default: object = None) -> object:
        return default

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.state != "open"

    def close(self) -> None:
        self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def connection(loop: Loop, transport: Transport) -> Connection:
    config = uvicorn.Config(_unused, interface="asgi3", ws="none", log_config=None)
    connection = Connection(config, ServerState(), {}, _loop=cast("Any", loop))
    connection.connection_made(cast("Any", transport))
    return connection


async def _unused(scope: object, receive: object, send: object) -> None: ...


def answer(connection: Connection) -> None:
    connection.cycle.response_complete = True
    connection.on_response_complete()


@pytest.mark.parametrize("sent", [b"", b"GET /hea", GET + b"GET /he", b"\r\n\r\n"])
def test_a_head_that_is_not_whole_in_time_closes_the_connection(
    connection: Connection, loop: Loop, transport: Transport, sent: bytes
) -> None:
    if sent.startswith(GET):
        connection.data_received(GET)
        answer(connection)
        sent = sent.removeprefix(GET)
    for byte in sent:
        connection.data_received(bytes([byte]))
    loop.pass_(HEAD_SECONDS)
    assert transport.state == "closed"


def test_what_is_being_answered_is_waited_for(
    connection: Connection, loop: Loop, transport: Transport
) -> None:
    connection.data_received(POST)
    connection.data_received(b"a")
    loop.pass_(HEAD_SECONDS)
    assert transport.state == "open"


def test_a_body_that_goes_on_after_the_answer_is_not_read_for_ever(
    connection: Connection, loop: Loop, transport: Transport
) -> None:
    connection.data_received(POST)
    answer(connection)
    connection.data_received(b"a" * 1000)
    loop.pass_(HEAD_SECONDS)
    assert transport.state == "closed"


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /",
        GET[:-2] + b"A: ",
        GET[:-2],
        CHUNKED + b"3\r\nabc\r\n0\r\nA: ",
        CHUNKED + b"3;a=",
    ],
    ids=["url", "header", "headers", "trailer", "chunk extension"],
)
def test_bytes_that_lead_nowhere_are_counted(
    connection: Connection, transport: Transport, begun: bytes
) -> None:
    piece = b"X: " + b"a" * 995 + b"\r\n" if begun.endswith(b"\r\n") else b"a" * 1000
    connection.data_received(begun)
    for _ in range(MOST_USELESS // 1000 - 1):
        connection.data_received(piece)
    assert transport.state == "open"
    for _ in range(2):
        connection.data_received(piece)
    assert transport.state == "closed"
    assert transport.written.startswith(b"HTTP/1.1 400 ")


def test_a_long_body_is_no_long_head(connection: Connection, transport: Transport) -> None:
    connection.data_received(POST)
    for _ in range(99):
        connection.data_received(b"a" * 1000)
    assert (transport.state, transport.written) == ("open", b"")


def test_a_client_who_reads_nothing_is_sent_away(
    connection: Connection, loop: Loop, transport: Transport
) -> None:
    transport.waiting = 300
    connection.pause_writing()
    transport.waiting = 200
    loop.pass_(WRITE_SECONDS)
    assert transport.state == "open", "it has read some of it"
    loop.pass_(WRITE_SECONDS)
    assert transport.state == "aborted"


def test_the_last_of_an_answer_is_not_kept_for_ever_either(
    connection: Connection, loop: Loop, transport: Transport
) -> None:
    connection.data_received(GET)
    answer(connection)
    transport.waiting = 300  # too little to be called much
    loop.pass_(connection.timeout_keep_alive)
    assert transport.state == "closed"
    loop.pass_(WRITE_SECONDS)
    assert transport.state == "aborted"


def test_a_client_who_has_read_everything_stays(
    connection: Connection, loop: Loop, transport: Transport
) -> None:
    transport.waiting = 300
    connection.pause_writing()
    connection.resume_writing()
    loop.pass_(WRITE_SECONDS)
    assert transport.state == "open"


def test_a_shutdown_waits_for_what_was_sent_before(
    connection: Connection, loop: Loop, transport: Transport
) -> None:
    connection.shutdown()
    assert transport.state == "open"
    connection.data_received(GET)
    loop.pass_(LAST_SECONDS)
    assert transport.state == "open"
    assert connection.cycle.keep_alive is False, "the answer says that no other will follow"


def test_a_shutdown_closes_connections_on_which_nothing_comes(
    connection: Connection, loop: Loop, transport: Transport
) -> None:
    connection.data_received(GET)
    answer(connection)
    connection.shutdown()
    loop.pass_(LAST_SECONDS)
    assert transport.state == "closed"


def test_a_client_who_leaves_ends_the_request_that_is_being_answered(
    connection: Connection,
) -> None:
    connection.data_received(GET)
    answered = connection.cycle
    connection.data_received(GET)  # sent before the first is answered
    connection.connection_lost(None)
    assert answered.disconnected
    assert answered.message_event.is_set()


def test_the_end_of_a_connection_leaves_no_timer(connection: Connection, loop: Loop) -> None:
    connection.pause_writing()
    connection.connection_lost(None)
    assert all(timer.cancelled for timer in loop.timers)
