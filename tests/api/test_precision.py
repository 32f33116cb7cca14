"""The default bundle in int8 beside itself in fp32, both behind the application."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from models import bundle as bundles
from models.manifest import Precision
from service.app import create_app
from service.settings import Settings
from training.compression import compress

ROOT = Path(__file__).parents[2]
PHOTOS = sorted((ROOT / "docs" / "samples").glob("c*.jpg"))
SECONDS = 60


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A repository with the default bundle as version 1, and in int8 as version 2."""
    repository = tmp_path_factory.mktemp("repository")
    source = ROOT / "models" / "zoo" / "efficientnet_lite0" / "1"
    for version in ("1", "2"):
        shutil.copytree(source, repository / "efficientnet_lite0" / version)
    copy = bundles.read(repository / "efficientnet_lite0" / "2")
    fields = copy.manifest.model_dump(exclude={"sha256"}) | {"version": 2}
    images = np.load(source / "golden.npz")["image"]
    compress(bundles.write_manifest(copy.directory, fields), Precision.INT8, images, seed=0)
    settings = Settings(repository=repository, provider="cpu", threads=1)
    with TestClient(create_app(settings)) as client:
        yield client


def explain(client: TestClient, photo: Path, version: int) -> dict[str, Any]:
    """Grad-CAM of a fixed class, once its graph is loaded."""
    pause = Event()
    for _ in range(SECONDS * 20):
        query = f"/explain?version={version}&method=gradcam&target=282"
        answer = client.post(query, content=photo.read_bytes())
        if answer.status_code != 503:
            break
        pause.wait(0.05)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["explanation"]
    return found


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.stem)
def test_it_classifies_nearly_as_in_fp32(client: TestClient, photo: Path) -> None:
    exact, rounded = (
        client.post(f"/classify?version={version}&top_k=1", content=photo.read_bytes()).json()
        for version in (1, 2)
    )

    (expected,), (found,) = exact["predictions"], rounded["predictions"]
    assert found["label"] == expected["label"]
    assert found["probability"] != expected["probability"]
    assert found["probability"] == pytest.approx(expected["probability"], abs=0.2)


def test_it_explains_by_the_fp32_graphs(client: TestClient) -> None:
    exact, rounded = (explain(client, PHOTOS[0], version) for version in (1, 2))

    # In fp32 the graph that classifies has computed the activations already.
    assert (exact["passes"], rounded["passes"]) == (0, 1)
    largest = exact["map"]["max"]
    np.testing.assert_allclose(rounded["map"]["data"], exact["map"]["data"], atol=1e-4 * largest)


def test_its_manifest_says_its_precision(client: TestClient) -> None:
    model = client.get("/models/efficientnet_lite0?version=2").json()

    assert model["manifest"]["precision"] == "int8"
    assert 0 < model["manifest"]["tolerances"]["rounded"] < 1
