"""Drift as clients and Prometheus see it, on the tiny bundle and flat colours."""

import shutil
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.special import softmax
from starlette.testclient import TestClient

from models import bundle as bundles
from models.bundle import Bundle
from service.api.schemas.operation import Drift
from service.app import create_app
from service.settings import Settings

WINDOW, SECONDS = 50, 10

Colours = npt.NDArray[np.uint8]


def colours(count: int, seed: int) -> Colours:
    return np.random.default_rng(seed).integers(100, 256, (count, 3), dtype=np.uint8)


@pytest.fixture
def watched(tmp_path: Path, tiny_bundle: Bundle, tiny_model: Any) -> Iterator[TestClient]:
    """A client of a bundle whose reference are 400 colours, by the model's closed form."""
    directory = tmp_path / "tiny" / "1"
    shutil.copytree(tiny_bundle.directory, directory)
    known = np.tile(colours(400, 0)[:, None, None], (1, 32, 32, 1))
    answers = softmax(tiny_model.logits(known), axis=1)
    np.savez(
        directory / "reference.npz",
        embedding=tiny_model.embedding(known).astype(np.float16),
        labels=np.zeros(400, dtype=np.int64),
        ids=np.array([str(number) for number in range(400)]),
        predicted=np.bincount(answers.argmax(axis=1), minlength=4),
        confidence=np.histogram(answers.max(axis=1), 20, (0, 1))[0],
    )
    fields = tiny_bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    bundles.write_manifest(directory, fields)
    settings = Settings(repository=tmp_path, provider="cpu", threads=1, drift_window=WINDOW)
    with TestClient(create_app(settings)) as client:
        yield client


def stream(client: TestClient, found: Colours) -> None:
    for red, green, blue in found.tolist():
        png = BytesIO()
        Image.new("RGB", (32, 32), (red, green, blue)).save(png, "PNG")
        assert client.post("/classify", content=png.getvalue()).status_code == 200


def drift_after(client: TestClient, windows: int) -> dict[str, Any]:
    pause = Event()
    for _ in range(SECONDS * 100):
        found: dict[str, Any] = client.get("/drift").json()
        if found["windows"] == windows:
            Drift.model_validate(found, extra="forbid")
            return found
        pause.wait(0.01)
    pytest.fail(f"{windows} windows have not been judged")


def lines(client: TestClient, metric: str) -> Sequence[str]:
    page = client.get("/metrics").text.splitlines()
    return [line for line in page if line.startswith(f"{metric}{{")]


def test_a_stream_that_is_darkened_half_way_drifts_from_then_on(watched: TestClient) -> None:
    stream(watched, colours(2 * WINDOW, 1))
    calm = drift_after(watched, 2)
    assert calm["drifted_in_a_row"] == 0
    assert not any(each["drifted"] for each in calm["last"].values())

    stream(watched, colours(2 * WINDOW, 2) // 2)
    changed = drift_after(watched, 4)
    assert changed["drifted_in_a_row"] == 2
    assert changed["last"]["embedding_mahalanobis"]["drifted"]
    assert lines(watched, "seewhy_drift_windows") == [
        'seewhy_drift_windows{model="tiny",version="1"} 2.0'
    ]
    assert len(lines(watched, "seewhy_drift_statistic")) == len(changed["last"])
    assert len(lines(watched, "seewhy_drift_threshold")) == len(changed["last"])


def test_before_a_window_is_full_there_is_nothing_to_compare(watched: TestClient) -> None:
    stream(watched, colours(3, 3))
    found = watched.get("/drift").json()
    assert (found["gathered"], found["windows"], found["last"]) == (3, 0, {})
    assert lines(watched, "seewhy_drift_statistic") == []


def test_a_bundle_without_a_reference_says_so(client: TestClient) -> None:
    refused = client.get("/drift")
    assert refused.status_code == 422
    assert "no reference" in refused.json()["detail"]


def test_an_unknown_model_is_not_found(client: TestClient) -> None:
    assert client.get("/drift?model=other").status_code == 404
