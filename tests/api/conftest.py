"""The application in this process, on the tiny bundle."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from starlette.testclient import TestClient

from models import bundle as bundles
from models.bundle import Bundle
from service.app import create_app
from service.settings import Settings

SECONDS = 10


@pytest.fixture(scope="module")
def settings(tiny_repository: Path) -> Settings:
    return Settings(
        repository=tiny_repository,
        provider="cpu",
        max_upload_bytes=1_000_000,
        max_pixels=1_000_000,
        max_images=4,
        threads=1,
    )


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of the application, once all graphs are loaded."""
    with TestClient(create_app(settings)) as client:
        wait_until_loaded(client)
        yield client


@pytest.fixture
def three(tmp_path: Path, tiny_bundle: Bundle) -> Path:
    """A repository with the models a, b and c."""
    fields = tiny_bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    for name in "abc":
        shutil.copytree(tiny_bundle.directory, tmp_path / name / "1")
        bundles.write_manifest(tmp_path / name / "1", {**fields, "name": name})
    return tmp_path


@pytest.fixture(scope="session")
def wait_for_graphs() -> Callable[[TestClient], None]:
    """Waits until all graphs of a client's one model are loaded, and its index is."""
    return wait_until_loaded


def wait_until_loaded(client: TestClient) -> None:
    pause = Event()
    for _ in range(SECONDS * 100):
        (model,) = client.get("/readyz").json()["models"]
        following = [*model["graphs"].values(), model["similar_search"] or {}]
        if all(each.get("state") != "loading" for each in following):
            return
        pause.wait(0.01)
    pytest.fail("something is still being loaded")
