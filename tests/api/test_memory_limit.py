"""Idle models are given up where memory is short, and no request notices."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from service.app import create_app
from service.runtime import memory
from service.settings import Settings

SECONDS = 20

pytestmark = pytest.mark.skipif(not memory.is_measurable(), reason="no /proc: not Linux")


@pytest.fixture
def client(three: Path) -> Iterator[TestClient]:
    """A client of a service that always has more memory than it may."""
    settings = Settings(
        repository=three, default_model="a", provider="cpu", threads=1, max_memory_bytes=1
    )
    with TestClient(create_app(settings)) as client:
        yield client


def loaded(client: TestClient) -> set[str]:
    return {model["name"] for model in client.get("/models").json()["models"] if model["loaded"]}


def metric(client: TestClient, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return sum(each.value for each in samples if (each.name, each.labels) == (name, labels))


def classify(client: TestClient, photo: bytes, model: str) -> None:
    answer = client.post(f"/classify?model={model}", content=photo)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"]["name"] == model


def wait_until(condition: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(SECONDS * 100):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("it did not come to pass")


def test_all_but_the_default_model_and_the_one_used_last_are_given_up(
    client: TestClient, red_left: bytes
) -> None:
    for model in "abca":
        classify(client, red_left, model)
    wait_until(lambda: loaded(client) == {"a", "c"})
    assert metric(client, "seewhy_memory_limit_bytes") == 1
    # It is counted once it is closed, which is after it has left the list.
    wait_until(lambda: metric(client, "seewhy_models_given_up_total", model="b") == 1)
    classify(client, red_left, "b")
    wait_until(lambda: loaded(client) == {"a", "b"})


def test_no_request_fails_while_models_are_given_up(client: TestClient, red_left: bytes) -> None:
    def keep_asking(models: str) -> None:
        while sum(metric(client, given_up, model=model) for model in "bc") < 4:
            for model in models:
                classify(client, red_left, model)

    given_up = "seewhy_models_given_up_total"
    with ThreadPoolExecutor() as clients:
        for asking in [clients.submit(keep_asking, models) for models in ("bc", "cba", "a")]:
            asking.result(SECONDS)


def test_without_a_limit_no_model_is_given_up(three: Path, red_left: bytes) -> None:
    settings = Settings(repository=three, default_model="a", provider="cpu", threads=1)
    with TestClient(create_app(settings)) as client:
        for model in "abc":
            classify(client, red_left, model)
        Event().wait(1.5)
        assert loaded(client) == {"a", "b", "c"}
        assert metric(client, "seewhy_memory_limit_bytes") == 0
