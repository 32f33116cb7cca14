"""Settings about threads are obeyed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_takes_the_threads_that_are_set(settings: Settings, threads: int) -> None:
    chosen = settings.model_copy(update={"threads": threads})
    with TestClient(create_app(chosen)) as client:
        (model,) = client.get("/readyz").json()["models"]
    assert model["plan"]["threads"] == threads


def test_one_thread_decodes_where_one_is_set(settings: Settings, red_left: bytes) -> None:
    chosen = settings.model_copy(update={"decode_threads": 1})
    with TestClient(create_app(chosen)) as client, ThreadPoolExecutor(8) as senders:
        list(senders.map(lambda _: client.post("/classify", content=red_left), range(24)))
        names = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("decoding") for name in names) == 1
