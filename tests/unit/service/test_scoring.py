"""Batch scoring put together, on the tiny bundle with a calibration written by hand."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import Unsupported
from service import scoring
from service.app import create_app
from service.core.scoring.inputs import Source
from service.core.scoring.parts import FILES, Format
from service.core.scoring.rows import Row
from service.core.scoring.scorer import Options
from service.scoring import Request
from service.settings import Settings


def plain(*colour: int) -> bytes:
    png = BytesIO()
    Image.fromarray(np.full((32, 32, 3), colour, dtype=np.uint8)).save(png, "PNG")
    return png.getvalue()


def patient(client: TestClient, url: str, photo: bytes) -> Any:
    """The answer, once the graphs that it needs are loaded."""
    for _ in range(1000):
        response = client.post(url, content=photo)
        if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            return response.raise_for_status().json()
        time.sleep(0.01)
    pytest.fail("the graphs are still being loaded")


@pytest.fixture(scope="module")
def settings(calibrated_repository: Path) -> Settings:
    return Settings(repository=calibrated_repository, provider="cpu", threads=1)


@pytest.fixture
def request_(tmp_path: Path, red_left: bytes) -> Request:
    photos = {
        "blue.png": plain(0, 0, 255),  # like nothing in the reference
        "dark.png": plain(64, 0, 0),  # one level less, and the answer is grey
        "left.png": red_left,
    }
    (tmp_path / "in").mkdir()
    for name, content in photos.items():
        (tmp_path / "in" / name).write_bytes(content)
    return Request(Source(str(tmp_path / "in")), tmp_path / "out", part_size=10)


@pytest.fixture
def scored(request_: Request, settings: Settings) -> Callable[..., list[Row]]:
    def score(**options: object) -> list[Row]:
        asked = replace(request_, options=Options(**options))  # type: ignore[arg-type]
        scoring.run(asked, settings, lambda *_: None)
        return FILES[Format.PARQUET].read(asked.folder / "part-00000.parquet")

    return score


def test_what_is_like_no_training_image_is_to_be_reviewed(scored: Callable[..., list[Row]]) -> None:
    blue, dark, left = scored()

    assert (blue.label, blue.decision) == ("blue", "review")
    assert (left.label, left.decision) == ("red", "accept")
    assert left.ood_score == pytest.approx(0, abs=1e-3)
    assert dark.ood_score == pytest.approx(0, abs=1e-3)
    # Vectors of unit length at right angles.
    assert blue.ood_score == pytest.approx(np.sqrt(2), abs=1e-3)
    assert (blue.embedding, blue.box, blue.robustness) == (None, None, None)


def test_a_box_is_where_the_evidence_lies(scored: Callable[..., list[Row]]) -> None:
    *_, row = scored(box=True)

    assert row.box is not None
    left, top, right, bottom = row.box
    # The crop is the photo's middle, from 20 to 60, and red up to 40; maps are coarse.
    assert (left, top, bottom) == (20, 0, 40)
    assert right == pytest.approx(40, abs=5)


def test_an_answer_that_one_level_changes_is_fragile(scored: Callable[..., list[Row]]) -> None:
    assert [row.robustness for row in scored(robustness="fast")] == ["robust", "fragile", "robust"]


def test_the_answers_are_those_of_the_service(
    scored: Callable[..., list[Row]], settings: Settings, red_left: bytes
) -> None:
    *_, row = scored(box=True, robustness="fast")

    with TestClient(create_app(settings)) as client:
        explained = patient(client, "/explain", red_left)
        answer = patient(client, "/classify?robustness=fast", red_left)

    assert row.box == explained["explanation"]["box"]
    assert row.robustness == answer["robustness"]["verdict"]
    assert row.prediction_set == [member["label"] for member in answer["prediction_set"]]
    assert row.ood_score == pytest.approx(answer["ood"]["score"], abs=1e-6)
    assert row.decision == answer["decision"]


def test_what_a_bundle_has_not_got_is_refused_before_the_output_is_touched(
    request_: Request, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    directory = tmp_path / "repository" / "tiny" / "1"
    shutil.copytree(tiny_bundle.directory, directory)
    fields = tiny_bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    bundles.write_manifest(directory, {**fields, "default_explanation": None})
    bare = Settings(repository=tmp_path / "repository", provider="cpu", threads=1)

    with pytest.raises(Unsupported):
        scoring.run(replace(request_, options=Options(box=True)), bare, lambda *_: None)

    assert not request_.folder.exists()
