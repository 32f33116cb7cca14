"""Work that comes too late, or that nobody waits for; the graphs are fakes that wait."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from threading import Event, Semaphore
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message

from models.bundle import Bundle
from models.manifest import Graph
from service.app import create_app
from service.core.ports import Arrays, Runner
from service.settings import Settings

Serve = Callable[[FastAPI], AbstractContextManager[str]]

SECONDS = 10


class Gate:
    """Classifies what comes, one after the other, when the test lets it."""

    def __init__(self) -> None:
        self.begun, self.go = Semaphore(0), Semaphore(0)
        self.images = 0

    def run(self, feeds: Arrays, /) -> Arrays:
        self.begun.release()
        assert self.go.acquire(timeout=SECONDS)
        self.images += len(feeds["image"])
        return {"logits": np.zeros((len(feeds["image"]), 4), dtype=np.float32)}


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(settings: Settings, gate: Gate) -> FastAPI:
    def open_graph(_: Bundle, __: Graph) -> Runner:
        return gate

    return create_app(settings.model_copy(update={"max_batch": 1}), open_graph=open_graph)


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as clients:
        yield clients


def answer_after(
    seconds: float, client: TestClient, gate: Gate, clients: ThreadPoolExecutor, image: bytes
) -> None:
    """Have an image take so long: the pace from then on."""
    slow = clients.submit(client.post, "/classify", content=image)
    assert gate.begun.acquire(timeout=SECONDS)
    Event().wait(seconds)
    gate.go.release()
    assert slow.result(SECONDS).status_code == 200


def test_what_waits_until_its_time_is_over_is_not_run(
    app: FastAPI, gate: Gate, clients: ThreadPoolExecutor, red_left: bytes
) -> None:
    with TestClient(app) as client:
        first = clients.submit(client.post, "/classify", content=red_left)
        assert gate.begun.acquire(timeout=SECONDS)
        late = clients.submit(client.post, "/classify?timeout_ms=50", content=red_left)
        Event().wait(0.2)
        gate.go.release(2)
        assert first.result(SECONDS).status_code == 200
        refused = late.result(SECONDS)
    assert refused.status_code == 504
    assert refused.json()["type"] == "urn:seewhy:deadline-exceeded"
    assert gate.images == 1


def test_who_could_not_be_served_in_time_is_turned_away_at_once(
    app: FastAPI, gate: Gate, clients: ThreadPoolExecutor, red_left: bytes
) -> None:
    with TestClient(app) as client:
        answer_after(0.3, client, gate, clients, red_left)
        waiting = [clients.submit(client.post, "/classify", content=red_left) for _ in range(3)]
        for _ in waiting[:1]:
            assert gate.begun.acquire(timeout=SECONDS)
        refused = client.post("/classify?timeout_ms=100", content=red_left)
        gate.go.release(9)
        assert all(answer.result(SECONDS).status_code == 200 for answer in waiting)
    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:seewhy:overloaded"
    assert refused.headers["Retry-After"] == "1"


def test_no_image_is_turned_away_for_the_others_of_its_request(
    app: FastAPI, gate: Gate, clients: ThreadPoolExecutor, red_left: bytes
) -> None:
    with TestClient(app) as client:
        # That is over, and no pace to reckon with.
        answer_after(0.5, client, gate, clients, red_left)
        gate.go.release(4)
        files = [("images", (str(number), red_left)) for number in range(4)]
        answer = client.post("/classify?timeout_ms=1500", files=files)
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == 4


def test_who_is_turned_away_is_told_before_sending_the_photo(
    serve: Serve,
    app: FastAPI,
    gate: Gate,
    clients: ThreadPoolExecutor,
    red_left: bytes,
) -> None:
    with serve(app) as address:
        url = f"{address}/classify"

        def ask() -> int:
            return httpx.post(url, content=red_left, timeout=SECONDS).status_code

        slow = clients.submit(ask)
        assert gate.begun.acquire(timeout=SECONDS)
        Event().wait(0.3)  # the pace from now on
        gate.go.release()
        assert slow.result(SECONDS) == 200
        waiting = [clients.submit(ask) for _ in range(3)]
        assert gate.begun.acquire(timeout=SECONDS)

        late = HTTPConnection(urlsplit(address).netloc, timeout=SECONDS)
        late.putrequest("POST", "/classify?timeout_ms=100")
        late.putheader("Content-Length", str(len(red_left)))
        late.endheaders()
        with late.getresponse() as refused:
            assert refused.status == 503
            assert json.load(refused)["type"] == "urn:seewhy:overloaded"
        late.send(red_left)  # a client that had begun goes on, and may stay
        gate.go.release(9)
        assert [answer.result(SECONDS) for answer in waiting] == [200] * 3
        late.request("POST", "/classify", red_left)
        assert late.getresponse().status == 200
        late.close()


@pytest.mark.parametrize("path", ["/classify", "/classify?timeout_ms=60000"])
def test_what_a_client_asked_for_that_has_gone_is_not_run(
    app: FastAPI, gate: Gate, red_left: bytes, path: str
) -> None:
    async def post(gone: asyncio.Event) -> int:
        """Post a photo as a client that goes away once the event is set; the status."""
        messages: list[Message] = [{"type": "http.request", "body": red_left, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        route, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": "POST",
            "path": route,
            "query_string": query.encode(),
            "headers": [],
        }
        await app(scope, receive, send)
        status: int = sent[0]["status"]
        return status

    async def scenario() -> list[int]:
        async with app.router.lifespan_context(app):
            stays, goes = asyncio.Event(), asyncio.Event()
            first = asyncio.create_task(post(stays))
            assert await asyncio.to_thread(gate.begun.acquire, timeout=SECONDS)
            second = asyncio.create_task(post(goes))
            await asyncio.sleep(0.1)
            goes.set()
            status = await asyncio.wait_for(second, SECONDS)
            gate.go.release(2)
            return [await asyncio.wait_for(first, SECONDS), status]

    assert asyncio.run(scenario()) == [200, 499]
    assert gate.images == 1


def test_a_timeout_is_a_positive_number(app: FastAPI, red_left: bytes) -> None:
    with TestClient(app) as client:
        refused = client.post("/classify?timeout_ms=0", content=red_left)
    assert refused.status_code == 422
    assert "timeout_ms" in refused.json()["detail"]
