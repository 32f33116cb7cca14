"""API keys, off unless they are set."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import numpy as np
import pytest
from starlette.testclient import TestClient

from models.bundle import Bundle
from models.manifest import Graph
from service.app import create_app
from service.core.ports import Arrays, Runner
from service.settings import Settings

SECONDS = 10
ONE, TWO = "one-at-a-time", "two-at-once"


class Gate:
    def __init__(self) -> None:
        self.begun, self.go = Semaphore(0), Event()

    def run(self, feeds: Arrays, /) -> Arrays:
        self.begun.release()
        assert self.go.wait(SECONDS)
        return {"logits": np.zeros((len(feeds["image"]), 4), dtype=np.float32)}


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def client(settings: Settings, gate: Gate) -> Iterator[TestClient]:
    def open_graph(_: Bundle, __: Graph) -> Runner:
        return gate

    keyed = settings.model_copy(update={"api_keys": {ONE: 1, TWO: 2}})
    with TestClient(create_app(keyed, open_graph=open_graph)) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers", [{}, bearer("another"), bearer(""), {"Authorization": f"Basic {ONE}"}]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/classify"), ("GET", "/models")])
def test_without_a_known_key_nothing_is_answered(
    client: TestClient, red_left: bytes, headers: dict[str, str], method: str, path: str
) -> None:
    response = client.request(method, path, headers=headers, content=red_left)
    assert response.status_code == 401
    assert response.json()["type"] == "urn:seewhy:unauthorized"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_lets_in(client: TestClient, gate: Gate, red_left: bytes) -> None:
    gate.go.set()
    for _ in range(3):
        response = client.post("/classify", content=red_left, headers=bearer(ONE))
        assert response.status_code == 200
    assert client.get("/models", headers={"Authorization": f"bearer  {TWO}"}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_what_keeps_the_service_running_needs_no_key(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_a_key_has_only_so_many_requests_at_once(
    client: TestClient, gate: Gate, red_left: bytes
) -> None:
    with ThreadPoolExecutor() as clients:
        first = clients.submit(client.post, "/classify", content=red_left, headers=bearer(ONE))
        assert gate.begun.acquire(timeout=SECONDS)
        refused = client.post("/classify", content=red_left, headers=bearer(ONE))
        other = clients.submit(client.post, "/classify", content=red_left, headers=bearer(TWO))
        gate.go.set()
        assert [first.result(SECONDS).status_code, other.result(SECONDS).status_code] == [200, 200]
    assert refused.status_code == 429
    assert refused.json()["type"] == "urn:seewhy:too-many-requests"
    assert int(refused.headers["Retry-After"]) >= 1
    assert client.post("/classify", content=red_left, headers=bearer(ONE)).status_code == 200


def test_keys_do_not_show_in_what_is_printed_of_the_settings() -> None:
    assert ONE not in repr(Settings(api_keys={ONE: 1}))
