"""What goes wrong inside: the graphs are fakes that fail, or wait, as the test says."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Semaphore, Timer

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from models.bundle import Bundle
from models.errors import GoldenMismatch, RuntimeFailure
from models.manifest import Graph
from service.app import create_app
from service.core.ports import Arrays, Runner
from service.core.serving import OpenGraph
from service.settings import Settings

SECONDS = 10

Run = Callable[[Arrays], Arrays]


class Fake:
    def __init__(self, run: Run) -> None:
        self._run = run

    def run(self, feeds: Arrays, /) -> Arrays:
        return self._run(feeds)


def logits(feeds: Arrays) -> Arrays:
    return {"logits": np.zeros((len(feeds["image"]), 4), dtype=np.float32)}


def opener(runs: Mapping[Graph, Run | Exception]) -> OpenGraph:
    def open_graph(_: Bundle, graph: Graph) -> Runner:
        run = runs.get(graph, logits)
        if isinstance(run, Exception):
            raise run
        return Fake(run)

    return open_graph


@contextmanager
def client_of(settings: Settings, runs: Mapping[Graph, Run | Exception]) -> Iterator[TestClient]:
    with TestClient(create_app(settings, open_graph=opener(runs))) as client:
        yield client


def wait_for(client: TestClient, graph: str, state: str) -> dict[str, str]:
    pause = Event()
    for _ in range(SECONDS * 100):
        found: dict[str, str] = client.get("/readyz").json()["models"][0]["graphs"][graph]
        if found["state"] == state:
            return found
        pause.wait(0.01)
    pytest.fail(f"{graph} is not {state}")


def test_a_failure_of_the_runtime_is_a_problem(settings: Settings, red_left: bytes) -> None:
    def fail(_: Arrays) -> Arrays:
        raise RuntimeFailure("ONNX Runtime: out of memory")

    with client_of(settings, {Graph.MODEL: fail}) as client:
        response = client.post("/classify", content=red_left)
    assert response.status_code == 500
    assert response.json()["detail"] == "ONNX Runtime: out of memory"


def test_a_bug_is_a_problem_without_a_stack_trace_and_logged_by_request_id(
    settings: Settings, red_left: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Arrays) -> Arrays:
        raise ZeroDivisionError("secret")

    with client_of(settings, {Graph.MODEL: fail}) as client:
        response = client.post("/classify", content=red_left, headers={"X-Request-ID": "abc"})
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert "request abc failed" in caplog.text
    assert "secret" in caplog.text


def test_a_failure_concerns_all_images_of_a_request(settings: Settings, red_left: bytes) -> None:
    def fail(_: Arrays) -> Arrays:
        raise RuntimeFailure("broken")

    with client_of(settings, {Graph.MODEL: fail}) as client:
        response = client.post("/classify", files=[("images", red_left), ("images", b"text")])
    assert response.status_code == 500


def test_a_full_queue_answers_at_once_when_to_come_back(
    settings: Settings, red_left: bytes
) -> None:
    begun, go = Semaphore(0), Event()

    def wait(feeds: Arrays) -> Arrays:
        begun.release()
        assert go.wait(SECONDS)
        return logits(feeds)

    small = settings.model_copy(update={"queue_size": 1})
    with (
        client_of(small, {Graph.MODEL: wait}) as client,
        ThreadPoolExecutor() as clients,
    ):
        first = clients.submit(client.post, "/classify", content=red_left)
        assert begun.acquire(timeout=SECONDS)
        refused = client.post("/classify", content=red_left)
        go.set()
        assert first.result(SECONDS).status_code == 200
        metrics = client.get("/metrics").text
    assert refused.status_code == 503
    assert refused.json()["title"] == "Overloaded"
    assert int(refused.headers["Retry-After"]) >= 1
    assert 'seewhy_rejected_requests_total{reason="overloaded",route="/classify"} 1.0' in metrics


def test_an_explanation_is_refused_before_any_work_and_finished_once_begun(
    settings: Settings, red_left: bytes
) -> None:
    begun, go, classified = Semaphore(0), Event(), []

    def classify(feeds: Arrays) -> Arrays:
        classified.append(len(feeds["image"]))
        return logits(feeds)

    def wait(feeds: Arrays) -> Arrays:
        begun.release()
        assert go.wait(SECONDS)
        ones = np.ones((len(feeds["image"]), 3, 4, 4), dtype=np.float32)
        return {**logits(feeds), "activations": ones, "activation_gradients": ones}

    small = settings.model_copy(update={"queue_size": 2, "explain_threads": 1})
    runs = {Graph.MODEL: classify, Graph.CAM: wait}
    with client_of(small, runs) as client, ThreadPoolExecutor() as clients:
        wait_for(client, "cam", "ready")
        two = [("images", red_left), ("images", red_left)]
        first = clients.submit(client.post, "/explain", files=two)
        assert begun.acquire(timeout=SECONDS)
        refused = client.post("/explain", content=red_left)
        drawn = client.post("/explain", content=red_left, headers={"Accept": "image/png"})
        go.set()
        assert first.result(SECONDS).status_code == 200
        assert client.post("/explain", content=red_left).status_code == 200
    assert [refused.status_code, drawn.status_code] == [503, 503]
    assert sum(classified) == 3


@pytest.fixture
def examined(settings: Settings, red_left: bytes) -> Iterator[TestClient]:
    """A client while a robustness check has the only thread of its kind, and goes on for long."""
    begun, go = Semaphore(0), Event()

    def wait(_: Arrays) -> Arrays:
        begun.release()
        assert go.wait(SECONDS)
        raise RuntimeFailure("over")

    def explain(feeds: Arrays) -> Arrays:
        ones = np.ones((len(feeds["image"]), 3, 4, 4), dtype=np.float32)
        return {**logits(feeds), "activations": ones, "activation_gradients": ones}

    one_thread = settings.model_copy(update={"explain_threads": 1})
    runs = {Graph.CAM: explain, Graph.GRADIENT: wait}
    with client_of(one_thread, runs) as client, ThreadPoolExecutor() as clients:
        wait_for(client, "cam", "ready")
        wait_for(client, "gradient", "ready")
        asking = clients.submit(client.post, "/classify?robustness=fast", content=red_left)
        assert begun.acquire(timeout=SECONDS)
        yield client
        go.set()
        assert asking.result(SECONDS).status_code == 500


def test_an_explanation_does_not_wait_for_robustness_checks(
    examined: TestClient, red_left: bytes
) -> None:
    assert examined.post("/explain?timeout_ms=5000", content=red_left).status_code == 200


def test_what_comes_after_classifying_does_not_count_as_classifying(examined: TestClient) -> None:
    app = examined.app
    assert isinstance(app, FastAPI)
    assert app.state.parts.admission.inside == 0


def test_an_explanation_whose_graph_is_still_being_loaded_is_for_later(
    settings: Settings, red_left: bytes
) -> None:
    go = Event()

    def open_graph(_: Bundle, graph: Graph) -> Runner:
        if graph is not Graph.MODEL:
            assert go.wait(SECONDS)
        return Fake(logits)

    with TestClient(create_app(settings, open_graph=open_graph)) as client:
        (model,) = client.get("/readyz").json()["models"]
        response = client.post("/explain", content=red_left)
        classified = client.post("/classify", content=red_left)
        go.set()
    assert model["graphs"]["cam"]["state"] == "loading"
    assert response.status_code == 503
    assert response.json()["title"] == "Not ready"
    assert int(response.headers["Retry-After"]) >= 1
    assert classified.status_code == 200


def test_a_graph_that_failed_is_shown_and_the_service_stays_ready(
    settings: Settings, red_left: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(settings, {Graph.GRADIENT: GoldenMismatch("wrong")}) as client:
        graph = wait_for(client, "gradient", "failed")
        assert "gradient.onnx of tiny version 1 is not served" in caplog.text
        caplog.clear()
        readiness = client.get("/readyz")
        response = client.post("/explain?method=gradient", content=red_left)
    assert readiness.status_code == 200
    assert graph["reason"] == "wrong"
    assert response.status_code == 500
    assert "wrong" in response.json()["detail"]
    assert "wrong" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_service_that_is_shutting_down_is_not_ready(settings: Settings) -> None:
    app = create_app(settings)
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
        app.state.parts.catalogue.close()
        readiness = client.get("/readyz")
    assert readiness.status_code == 503
    assert readiness.json()["ready"] is False


def test_shutting_down_finishes_the_requests_in_flight(
    settings: Settings,
    red_left: bytes,
    serve: Callable[[FastAPI], AbstractContextManager[str]],
) -> None:
    begun, go = Semaphore(0), Event()

    def wait(feeds: Arrays) -> Arrays:
        begun.release()
        assert go.wait(SECONDS)
        return logits(feeds)

    app = create_app(settings, open_graph=opener({Graph.MODEL: wait}))
    with ThreadPoolExecutor() as clients:
        with serve(app) as address:
            first = clients.submit(httpx.post, f"{address}/classify", content=red_left)
            assert begun.acquire(timeout=SECONDS)
            Timer(0.2, go.set).start()
        assert first.result(SECONDS).status_code == 200
