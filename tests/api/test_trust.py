"""How far to trust an answer, on the tiny bundle with a calibration written by hand."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from models import bundle as bundles
from models.errors import BundleInvalid
from service.api.schemas.classify import Classification
from service.api.schemas.similar import Embedded, Similar
from service.app import create_app
from service.settings import Settings

TRUST = {"coverage", "prediction_set", "ood", "decision", "reason"}


@pytest.fixture(scope="module")
def calibrated(
    calibrated_repository: Path,
) -> Iterator[TestClient]:
    settings = Settings(repository=calibrated_repository, provider="cpu", threads=1)
    with TestClient(create_app(settings)) as client:
        yield client


def test_an_answer_says_how_far_to_trust_it(calibrated: TestClient, red_left: bytes) -> None:
    answer = calibrated.post("/classify", content=red_left).json()
    Classification.model_validate(answer, extra="forbid")
    assert answer["calibrated"] is True
    assert answer["coverage"] == 0.9
    labels = [member["label"] for member in answer["prediction_set"]]
    assert labels[0] == answer["predictions"][0]["label"] == "red"
    # Its embedding is red alone, as one of the training images is.
    assert answer["ood"]["score"] == pytest.approx(0, abs=0.05)
    assert answer["ood"]["percentile"] == pytest.approx(100 * answer["ood"]["score"], abs=1e-6)
    assert answer["ood"]["energy"]["percentile"] == pytest.approx(
        100 + answer["ood"]["energy"]["score"]
    )
    assert answer["decision"] == "accept"
    assert "is at least 0.5" in answer["reason"]


def test_a_request_may_have_its_own_terms(calibrated: TestClient, red_left: bytes) -> None:
    url = "/classify?coverage=0.8&sets=lac&min_probability=0.999&max_ood_percentile=100"
    answer = calibrated.post(url, content=red_left).json()
    assert answer["coverage"] == 0.8
    top = answer["predictions"][0]["probability"]
    assert len(answer["prediction_set"]) == (1 if top >= 0.95 else 0)
    assert answer["decision"] == "review"
    assert answer["reason"] == f"the probability {top:.3f} is below 0.999"


def test_terms_may_stand_in_the_body(calibrated: TestClient, red_left: bytes) -> None:
    files = [("images", ("a.png", red_left)), ("images", ("b.png", red_left))]
    options = {"options": json.dumps({"min_probability": 1})}
    results = calibrated.post("/classify", files=files, data=options).json()["results"]
    assert [result["decision"] for result in results] == ["review", "review"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("coverage=0.85", "possible coverages: 0.8, 0.9"),
        ("coverage=0.9000001", "possible coverages: 0.8, 0.9"),
        ("coverage=0", "coverage"),
        ("coverage=1", "coverage"),
        ("coverage=nan", "coverage"),
        ("sets=aps", "sets"),
        ("min_probability=1.1", "min_probability"),
        ("max_ood_percentile=-1", "max_ood_percentile"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_can(
    calibrated: TestClient, red_left: bytes, query: str, says: str
) -> None:
    response = calibrated.post(f"/classify?{query}", content=red_left)
    assert response.status_code == 422
    assert says in response.json()["detail"]


@pytest.mark.parametrize(
    "query", ["coverage=0.9", "sets=lac", "min_probability=0", "max_ood_percentile=100"]
)
def test_a_bundle_without_calibration_makes_nothing_up(
    client: TestClient, red_left: bytes, query: str
) -> None:
    answer: dict[str, Any] = client.post("/classify", content=red_left).json()
    assert answer["calibrated"] is False
    assert not TRUST & answer.keys()
    refused = client.post(f"/classify?{query}", content=red_left)
    assert refused.status_code == 422
    assert "not calibrated" in refused.json()["detail"]


def test_a_bundle_that_compares_with_images_it_has_not_got_is_refused(
    tmp_path: Path, calibrated_repository: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(calibrated_repository, copy)
    directory = copy / "tiny" / "1"
    (directory / "reference.npz").unlink()
    fields = bundles.read(directory).manifest.model_dump(mode="json", exclude={"sha256"})
    bundles.write_manifest(directory, fields)
    app = create_app(Settings(repository=copy, provider="cpu", threads=1))
    with pytest.raises(BundleInvalid, match=r"reference\.npz, which is missing"), TestClient(app):
        pass


def test_the_most_similar_training_image_comes_first(
    calibrated: TestClient, red_left: bytes
) -> None:
    answer = calibrated.post("/similar", content=red_left).json()
    Similar.model_validate(answer, extra="forbid")
    nearest, other = answer["neighbours"]
    assert (nearest["id"], nearest["label"], nearest["index"]) == ("red.png", "red", 0)
    assert (other["id"], other["label"]) == ("green.png", "green")
    assert other["distance"] == pytest.approx(2**0.5, abs=0.05)
    assert "search" in answer["timings_ms"]
    few = calibrated.post("/similar?top_k=1", content=red_left).json()
    assert few["neighbours"] == [nearest]


def test_an_image_is_a_vector_as_numbers_or_bytes(
    client: TestClient, red_left: bytes, tiny_model: Any
) -> None:
    answer = client.post("/embed", content=red_left).json()
    Embedded.model_validate(answer, extra="forbid")
    crop = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    crop[:, :, :16, 0] = 255
    assert answer["embedding"] == pytest.approx(tiny_model.embedding(crop)[0], abs=0.02)
    headers = {"Accept": "application/octet-stream"}
    raw = client.post("/embed", content=red_left, headers=headers)
    assert raw.headers["content-type"] == "application/octet-stream"
    assert np.frombuffer(raw.content, "<f4").tolist() == answer["embedding"]


def test_bytes_are_of_one_image(client: TestClient, red_left: bytes) -> None:
    files = [("images", ("a.png", red_left)), ("images", ("b.png", red_left))]
    several = client.post("/embed", files=files).json()
    assert several["results"][0]["embedding"] == several["results"][1]["embedding"]
    refused = client.post("/embed", files=files, headers={"Accept": "application/octet-stream"})
    assert refused.status_code == 422


def test_a_bundle_without_training_images_says_so(client: TestClient, red_left: bytes) -> None:
    refused = client.post("/similar", content=red_left)
    assert refused.status_code == 422
    assert "no index" in refused.json()["detail"]
