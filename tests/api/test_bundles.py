"""Bundles that differ: calibrated, without gradients, without a default method."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from models import bundle as bundles
from models.bundle import Bundle
from service.app import create_app
from service.settings import Settings


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


def test_a_bundle_without_gradients_says_what_is_possible(
    tmp_path: Path, tiny_bundle: Bundle, red_left: bytes, only_forward: dict[str, Any]
) -> None:
    with client_of(tmp_path, tiny_bundle, graphs=only_forward, default_explanation=None) as client:
        named = client.post("/explain?method=gradcam", content=red_left)
        unnamed = client.post("/explain", content=red_left)
        classified = client.post("/classify", content=red_left)
    for response in (named, unnamed):
        assert response.status_code == 422
        assert response.json()["title"] == "Unsupported"
        assert "possible methods: none" in response.json()["detail"]
    assert classified.status_code == 200
