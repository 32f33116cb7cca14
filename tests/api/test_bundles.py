"""Bundles that differ: calibrated, without gradients, without a default method."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Graph
from service.api.schemas.models import ModelList
from service.app import create_app
from service.core.ports import Runner
from service.settings import Settings

SECONDS = 10


@contextmanager
def client_of(root: Path, source: Bundle, **changes: Any) -> Iterator[TestClient]:
    """A client of a service whose only bundle is `source` with some fields changed."""
    directory = root / "tiny" / "1"
    shutil.copytree(source.directory, directory)
    fields = source.manifest.model_dump(mode="json", exclude={"sha256"})
    bundles.write_manifest(directory, {**fields, **changes})
    with TestClient(create_app(Settings(repository=root, provider="cpu", threads=1))) as client:
        yield client


@pytest.fixture
def only_forward(tiny_bundle: Bundle) -> dict[str, Any]:
    graphs = tiny_bundle.manifest.model_dump(mode="json")["graphs"]
    return {"model": graphs["model"]}


def test_a_calibrated_bundle_divides_its_logits_by_its_temperature(
    tmp_path: Path, tiny_bundle: Bundle, client: TestClient, red_left: bytes
) -> None:
    before = client.post("/classify", content=red_left).json()["predictions"]
    with client_of(tmp_path, tiny_bundle, calibration={"temperature": 2.0}) as calibrated:
        answer = calibrated.post("/classify", content=red_left).json()
    after = answer["predictions"]
    assert answer["calibrated"] is True
    # A ratio of probabilities is exp(difference of logits): its root at temperature 2.
    ratio = before[0]["probability"] / before[1]["probability"]
    assert after[0]["probability"] / after[1]["probability"] == pytest.approx(ratio**0.5)


def test_an_explanation_states_the_calibrated_probability(
    tmp_path: Path,
    tiny_bundle: Bundle,
    red_left: bytes,
    wait_for_graphs: Callable[[TestClient], None],
) -> None:
    with client_of(tmp_path, tiny_bundle, calibration={"temperature": 2.0}) as client:
        wait_for_graphs(client)
        classified = client.post("/classify", content=red_left).json()
        explained = client.post("/explain", content=red_left).json()
    stated = explained["explanation"]["target"]["probability"]
    assert stated == pytest.approx(classified["predictions"][0]["probability"])


def test_a_bundle_without_gradients_says_what_is_possible(
    tmp_path: Path, tiny_bundle: Bundle, red_left: bytes, only_forward: dict[str, Any]
) -> None:
    with client_of(tmp_path, tiny_bundle, graphs=only_forward, default_explanation=None) as client:
        named = client.post("/explain?method=gradcam", content=red_left)
        unnamed = client.post("/explain", content=red_left)
        shown = client.get("/models/tiny")
        classified = client.post("/classify", content=red_left)
    for response in (named, unnamed):
        assert response.status_code == 422
        assert response.json()["title"] == "Unsupported"
        assert "possible methods: none" in response.json()["detail"]
    assert classified.status_code == 200
    assert shown.json()["methods"] == {}


def client_of_a(root: Path) -> TestClient:
    return TestClient(create_app(Settings(repository=root, default_model="a", provider="cpu")))


def test_a_published_version_is_current_and_the_loaded_one_goes_on_serving(
    three: Path, tiny_bundle: Bundle, red_left: bytes
) -> None:
    with client_of_a(three) as client:
        fields = tiny_bundle.manifest.model_dump(mode="json", exclude={"sha256"})
        shutil.copytree(tiny_bundle.directory, three / "a" / "2")
        bundles.write_manifest(three / "a" / "2", {**fields, "name": "a", "version": 2})
        a, b, _ = client.get("/models").json()["models"]
        answered = client.post("/classify", content=red_left).json()["model"]["version"]
    assert (a["current"], a["serving"], answered) == (2, 1, 1)
    assert (b["current"], b["serving"]) == (1, None)


def test_broken_models_are_listed_as_such_without_telling_where_they_lie(
    three: Path, red_left: bytes
) -> None:
    (three / "b" / "current").write_text("7")
    (three / "c" / "1" / "manifest.json").write_text("{")
    with client_of_a(three) as client:
        listed = client.get("/models")
        shown = [client.get(f"/models/{name}") for name in "bc"]
        asked = [client.post(f"/classify?model={name}", content=red_left) for name in "bc"]
    ModelList.model_validate(listed.json(), extra="forbid")
    a, b, c = listed.json()["models"]
    assert (a["current"], a["error"]) == (1, None)
    assert (b["current"], b["error"]) == (None, "b/current says '7'; the versions are: 1")
    assert c["current"] is None
    assert c["error"].startswith("c/1/manifest.json: ")
    assert [response.status_code for response in [*shown, *asked]] == [500] * 4
    assert all(str(three) not in response.text for response in [listed, *shown, *asked])


def test_a_graph_that_cannot_be_loaded_does_not_tell_where_it_lies(
    tmp_path: Path, tiny_bundle: Bundle, red_left: bytes
) -> None:
    shutil.copytree(tiny_bundle.directory, tmp_path / "tiny" / "1")
    (tmp_path / "tiny" / "1" / "cam.onnx").write_bytes(b"no graph")
    fields = tiny_bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    bundles.write_manifest(tmp_path / "tiny" / "1", fields)
    with TestClient(create_app(Settings(repository=tmp_path, provider="cpu"))) as client:
        pause = Event()
        readiness = client.get("/readyz")
        for _ in range(1000):
            if '"loading"' not in readiness.text:
                break
            pause.wait(0.01)
            readiness = client.get("/readyz")
        explained = client.post("/explain?method=gradcam", content=red_left)
    for answer in (readiness, explained):
        assert "tiny/1/cam.onnx failed" in answer.text
        assert str(tmp_path) not in answer.text


def test_an_unknown_model_is_not_found_while_another_is_being_loaded(
    three: Path, red_left: bytes
) -> None:
    begun, go = Event(), Event()

    def open_graph(bundle: Bundle, _: Graph) -> Runner:
        if bundle.manifest.name == "b":
            begun.set()
            assert go.wait(SECONDS)
        return cast("Runner", None)

    settings = Settings(repository=three, default_model="a", provider="cpu")
    app = create_app(settings, open_graph=open_graph)
    with TestClient(app) as client, ThreadPoolExecutor() as clients:
        loading = clients.submit(client.post, "/classify?model=b", content=red_left)
        assert begun.wait(SECONDS)
        unknown = [
            clients.submit(client.post, f"/classify?{query}", content=red_left)
            for query in ("model=nobody", "model=b&version=2")
        ]
        try:
            statuses = [response.result(SECONDS).status_code for response in unknown]
        finally:
            go.set()
        loading.result(SECONDS)
    assert statuses == [404, 404]
