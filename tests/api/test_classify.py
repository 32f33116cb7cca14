"""Oracle: the tiny model's closed form on a crop cut by hand."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import numpy as np
import numpy.typing as npt
import pytest
from fastapi import FastAPI
from scipy.special import softmax
from starlette.testclient import TestClient

from service.api.schemas.classify import Classification, Classifications
from service.app import create_app
from service.runtime.tuning import Tuning
from service.settings import Settings

PNG = {"Content-Type": "image/png"}


@pytest.fixture(
    scope="module",
    params=[{"max_batch": 16}, {"max_batch": 1, "decode_threads": 1}],
    ids=["in batches", "one by one"],
)
def client(request: pytest.FixtureRequest, settings: Settings) -> Iterator[TestClient]:
    """A client of the application, where images are decoded beside the sessions or by them."""
    chosen = settings.model_copy(update={"tune": Tuning.OFF, **request.param})
    with TestClient(create_app(chosen)) as client:
        yield client


@pytest.fixture(scope="module")
def expected(tiny_model: Any) -> npt.NDArray[np.float64]:
    """The probabilities of `red_left`, whose crop is red in its left half."""
    crop = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    crop[:, :, :16, 0] = 255
    probabilities: npt.NDArray[np.float64] = softmax(tiny_model.logits(crop)[0])
    return probabilities


@pytest.mark.parametrize("content_type", ["image/png", "image/*", "application/octet-stream", None])
def test_a_raw_body_is_classified(
    client: TestClient, red_left: bytes, expected: Any, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post("/classify", content=red_left, headers=headers)
    assert response.status_code == 200
    answer = response.json()
    Classification.model_validate(answer, extra="forbid")
    assert answer["model"] == {"name": "tiny", "version": 1}
    assert answer["calibrated"] is False
    assert [p["label"] for p in answer["predictions"][:2]] == ["red", "grey, gray"]
    for prediction in answer["predictions"]:
        # Resizing smears the edge between red and black over two columns.
        assert prediction["probability"] == pytest.approx(expected[prediction["index"]], abs=0.02)


def test_top_k_limits_the_predictions(client: TestClient, red_left: bytes) -> None:
    answer = client.post("/classify?top_k=2", content=red_left).json()
    assert len(answer["predictions"]) == 2


def test_where_the_sessions_threads_decode_no_other_thread_does(
    client: TestClient, red_left: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = client.app
    assert isinstance(app, FastAPI)
    decoders = app.state.parts.decoders
    submit = Mock(wraps=decoders.submit_later)
    monkeypatch.setattr(decoders, "submit_later", submit)

    assert client.post("/classify", content=red_left).status_code == 200

    (model,) = client.get("/readyz").json()["models"]
    assert submit.call_count == (0 if model["plan"]["decodes"] else 1)


def test_stages_add_up_to_no_more_than_the_total(client: TestClient, red_left: bytes) -> None:
    timings = client.post("/classify", content=red_left).json()["timings_ms"]
    assert list(timings) == [
        "read", "decode", "queue", "inference", "postprocess", "total",
    ]  # fmt: skip
    total = timings.pop("total")
    assert 0 < sum(timings.values()) <= total + 0.01


def test_one_multipart_file_is_answered_like_a_raw_body(
    client: TestClient, red_left: bytes
) -> None:
    answer = client.post("/classify", files={"image": ("red.png", red_left)}).json()
    Classification.model_validate(answer, extra="forbid")
    assert answer["predictions"][0]["label"] == "red"


def test_several_multipart_files_are_answered_in_order_and_a_bad_one_alone(
    client: TestClient, red_left: bytes
) -> None:
    files = [("images", ("a.png", red_left)), ("images", ("b", b"text")), ("images", ("c", b""))]
    response = client.post(
        "/classify", files=[*files, files[0]], data={"options": json.dumps({"top_k": 1})}
    )
    assert response.status_code == 200
    answer = response.json()
    Classifications.model_validate(answer, extra="forbid")
    results = answer["results"]
    assert [len(result.get("predictions", [])) for result in results] == [1, 0, 0, 1]
    assert [r.get("error", {}).get("status") for r in results] == [None, 415, 400, None]
    ids = [f"{answer['request_id']}/{position}" for position in range(4)]
    assert [result["image_id"] for result in results] == ids


def test_json_holds_base64_images_and_options(client: TestClient, red_left: bytes) -> None:
    image = {"data": base64.b64encode(red_left).decode()}
    several = client.post("/classify", json={"images": [image, image], "top_k": 1}).json()
    Classifications.model_validate(several, extra="forbid")
    assert [r["predictions"][0]["label"] for r in several["results"]] == ["red", "red"]
    wrapped = {"data": base64.encodebytes(red_left).decode()}
    one = client.post("/classify", json={"images": [wrapped]}).json()
    assert one["predictions"][0]["label"] == "red"


def test_options_of_the_body_override_those_of_the_query(
    client: TestClient, red_left: bytes
) -> None:
    image = {"data": base64.b64encode(red_left).decode()}
    url = "/classify?top_k=1&model=tiny"
    assert len(client.post(url, json={"images": [image]}).json()["predictions"]) == 1
    body = {"images": [image], "top_k": 3}
    assert len(client.post(url, json=body).json()["predictions"]) == 3


def test_a_model_and_version_can_be_named(client: TestClient, red_left: bytes) -> None:
    response = client.post("/classify?model=tiny&version=1", content=red_left)
    assert response.json()["model"] == {"name": "tiny", "version": 1}


def test_a_sane_request_id_is_kept(client: TestClient, red_left: bytes) -> None:
    headers = {"X-Request-ID": "abc-1.2_Z"}
    response = client.post("/classify", content=red_left, headers=headers)
    assert response.headers["X-Request-ID"] == "abc-1.2_Z"
    assert response.json()["request_id"] == "abc-1.2_Z"
    assert response.json()["image_id"] == "abc-1.2_Z/0"


@pytest.mark.parametrize("sent", [b"", b"a b", b"x" * 129, "é".encode(), b"a\tb"])
def test_another_request_id_is_made_where_the_clients_is_not_sane(
    client: TestClient, red_left: bytes, sent: bytes
) -> None:
    response = client.post("/classify", content=red_left, headers={b"X-Request-ID": sent})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])
