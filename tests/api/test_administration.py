"""Versions are loaded, promoted and given up while the service answers."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from starlette.testclient import TestClient

from models import bundle as bundles
from models.bundle import Bundle
from service.api.schemas.models import ModelSummary
from service.app import create_app
from service.settings import Settings

KEY = {"Authorization": "Bearer administrator"}


@pytest.fixture
def repository(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    """Versions 1 and 2, and a version 3 that is broken."""
    fields = tiny_bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    for version in (1, 2, 3):
        directory = tmp_path / "tiny" / str(version)
        shutil.copytree(tiny_bundle.directory, directory)
        bundles.write_manifest(directory, {**fields, "version": version})
    with (tmp_path / "tiny/3/model.onnx").open("ab") as file:
        file.write(b"x")
    (tmp_path / "tiny/current").write_text("1\n")
    return tmp_path


@pytest.fixture
def client(repository: Path) -> Iterator[TestClient]:
    settings = Settings(repository=repository, provider="cpu", threads=1, admin_key="administrator")
    with TestClient(create_app(settings)) as client:
        yield client


def ask(client: TestClient, version: int, verb: str) -> dict[str, object]:
    response = client.post(f"/models/tiny/versions/{version}:{verb}", headers=KEY)
    assert response.status_code == 200, response.text
    ModelSummary.model_validate(response.json(), extra="forbid")
    answer: dict[str, object] = response.json()
    return answer


def test_a_version_is_loaded_promoted_rolled_back_and_given_up(
    client: TestClient, red_left: bytes
) -> None:
    def answering() -> int:
        version: int = client.post("/classify", content=red_left).json()["model"]["version"]
        return version

    assert (ask(client, 2, "load")["loaded"], answering()) == ([1, 2], 1)
    assert (ask(client, 2, "promote")["serving"], answering()) == (2, 2)
    assert (ask(client, 1, "promote")["serving"], answering()) == (1, 1)
    assert (ask(client, 2, "unload")["loaded"], answering()) == ([1], 1)


def test_a_broken_version_is_not_promoted(client: TestClient, red_left: bytes) -> None:
    refused = client.post("/models/tiny/versions/3:promote", headers=KEY)
    assert refused.status_code == 500
    assert "altered" in refused.json()["detail"]
    assert client.post("/classify", content=red_left).json()["model"]["version"] == 1


def test_the_version_that_answers_is_not_given_up(client: TestClient) -> None:
    assert client.post("/models/tiny/versions/1:unload", headers=KEY).status_code == 422
    assert client.post("/models/tiny/versions/2:unload", headers=KEY).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer another"}])
def test_only_the_administrator_may(client: TestClient, headers: dict[str, str]) -> None:
    refused = client.post("/models/tiny/versions/2:promote", headers=headers)
    assert refused.status_code == 401


def test_without_an_administrator_s_key_there_are_no_such_routes(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        refused = client.post("/models/tiny/versions/1:load", headers={"Authorization": "Bearer "})
    assert refused.status_code == 404


def test_no_request_fails_while_versions_are_switched_and_given_up(
    client: TestClient, red_left: bytes
) -> None:
    stop = Event()

    def keep_asking() -> list[int]:
        found = []
        while not stop.is_set():
            response = client.post("/classify", content=red_left)
            assert response.status_code == 200, response.text
            found.append(response.json()["model"]["version"])
        return found

    with ThreadPoolExecutor() as clients:
        asking = [clients.submit(keep_asking) for _ in range(3)]
        try:
            for _ in range(5):
                for new, old in ((2, 1), (1, 2)):
                    ask(client, new, "promote")
                    ask(client, old, "unload")
        finally:
            stop.set()
        answered = [version for answers in asking for version in answers.result()]
    assert set(answered) == {1, 2}
