"""Versions are loaded, promoted and given up while the service answers."""

import errno
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from starlette.testclient import TestClient

from models import bundle as bundles
from models.bundle import Bundle
from models.repository import Repository
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


def restarted(settings: Settings, repository: Path) -> TestClient:
    return TestClient(create_app(settings.model_copy(update={"repository": repository})))


def ask(client: TestClient, version: int, verb: str) -> dict[str, object]:
    response = client.post(f"/models/tiny/versions/{version}:{verb}", headers=KEY)
    assert response.status_code == 200, response.text
    ModelSummary.model_validate(response.json(), extra="forbid")
    answer: dict[str, object] = response.json()
    return answer


def test_a_version_is_loaded_promoted_rolled_back_and_given_up(
    client: TestClient, red_left: bytes
) -> None:
    def outcome(version: int, verb: str, part: str) -> tuple[object, int]:
        return ask(client, version, verb)[part], version_answering(client, red_left)

    assert outcome(2, "load", "loaded") == ([1, 2], 1)
    assert outcome(2, "promote", "serving") == (2, 2)
    assert outcome(1, "promote", "serving") == (1, 1)
    assert outcome(2, "unload", "loaded") == ([1], 1)


def version_answering(client: TestClient, photo: bytes) -> int:
    version: int = client.post("/classify", content=photo).json()["model"]["version"]
    return version


def test_what_is_published_meanwhile_answers_once_it_is_promoted_and_after_a_restart(
    client: TestClient, repository: Path, tiny_bundle: Bundle, settings: Settings, red_left: bytes
) -> None:
    Repository(repository).publish(tiny_bundle.directory, version=4)
    (before,) = client.get("/models").json()["models"]
    assert (before["current"], before["serving"]) == (4, 1)
    assert version_answering(client, red_left) == 1
    ask(client, 4, "promote")
    assert version_answering(client, red_left) == 4
    ask(client, 2, "promote")
    with restarted(settings, repository) as again:
        assert version_answering(again, red_left) == 2


def test_a_version_can_be_promoted_until_the_restart(
    client: TestClient, repository: Path, settings: Settings, red_left: bytes
) -> None:
    answer = ask(client, 2, "promote?until_restart=true")
    assert (answer["serving"], answer["current"]) == (2, 1)
    assert version_answering(client, red_left) == 2
    with restarted(settings, repository) as again:
        assert version_answering(again, red_left) == 1


def test_a_version_is_not_promoted_where_the_repository_cannot_be_written(
    client: TestClient, repository: Path, monkeypatch: pytest.MonkeyPatch, red_left: bytes
) -> None:
    def refuse(self: Repository, name: str, version: int) -> Bundle:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self.root / name / str(version)))

    monkeypatch.setattr(Repository, "make_current", refuse)
    refused = client.post("/models/tiny/versions/2:promote", headers=KEY)
    assert refused.status_code == 500
    assert refused.json()["type"] == "urn:seewhy:output-error"
    assert "Read-only file system; with until_restart=true" in refused.json()["detail"]
    assert str(repository) not in refused.text
    assert version_answering(client, red_left) == 1
    ask(client, 2, "promote?until_restart=true")
    assert version_answering(client, red_left) == 2


@pytest.mark.parametrize("query", ["until_restart=maybe", "for=ever"])
def test_an_unknown_way_to_promote_is_refused(client: TestClient, query: str) -> None:
    refused = client.post(f"/models/tiny/versions/2:promote?{query}", headers=KEY)
    assert refused.status_code == 422


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
