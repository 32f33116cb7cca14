"""What people say of answers, through HTTP."""

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from seewhy import Client
from service.api.schemas.feedback import LiveAccuracies, Noted
from service.app import create_app
from service.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def logged(tiny_repository: Path, path: Path) -> Iterator[TestClient]:
    settings = Settings(repository=tiny_repository, provider="cpu", threads=1, prediction_log=path)
    with TestClient(create_app(settings)) as client:
        yield client


def classify(client: TestClient, image: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/classify", content=image).json()
    return answer


def test_a_label_is_noted_and_counted(logged: TestClient, red_left: bytes) -> None:
    answers = [classify(logged, red_left) for _ in range(3)]
    said = answers[0]["predictions"][0]["label"]
    other = answers[0]["predictions"][1]

    notes = [
        logged.post("/feedback", json={"image_id": answer["image_id"], "label": label}).json()
        for answer, label in zip(answers, (said, said.upper(), other["index"]), strict=True)
    ]

    for note in notes:
        Noted.model_validate(note, extra="forbid")
    assert [note["right"] for note in notes] == [True, True, False]
    assert notes[2]["label"] == other["label"]
    accuracy = logged.get("/feedback").json()
    LiveAccuracies.model_validate(accuracy, extra="forbid")
    assert accuracy["versions"] == [
        {"model": "tiny", "version": 1, "labelled": 3, "right": 2, "accuracy": pytest.approx(2 / 3)}
    ]
    metrics = logged.get("/metrics").text
    assert 'seewhy_feedback_total{model="tiny",outcome="right"} 2.0' in metrics
    assert 'seewhy_feedback_total{model="tiny",outcome="wrong"} 1.0' in metrics
    assert 'seewhy_prediction_log_rows_total{outcome="written"} 3.0' in metrics
    assert "seewhy_prediction_log_up 1.0" in metrics


def test_the_log_holds_the_answer_and_not_the_image(
    logged: TestClient, red_left: bytes, path: Path
) -> None:
    answer = classify(logged, red_left)
    logged.post("/feedback", json={"image_id": answer["image_id"], "label": 0})

    with sqlite3.connect(path) as connection:
        (row,) = connection.execute("SELECT image_id, sha256, predicted, image FROM predictions")
    assert row == (
        answer["image_id"], sha256(red_left).hexdigest(), answer["predictions"][0]["label"], None,
    )  # fmt: skip


def test_each_image_of_a_request_has_its_own_row(logged: TestClient, red_left: bytes) -> None:
    files = [("images", red_left), ("images", b"no image"), ("images", red_left)]
    results = logged.post("/classify", files=files).json()["results"]

    codes = [
        logged.post("/feedback", json={"image_id": each["image_id"], "label": 0}).status_code
        for each in results
    ]

    assert codes == [200, 404, 200]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"image_id": "gone/0", "label": 0}, 404, "'gone/0'"),
        ({"image_id": None, "label": "violet"}, 422, "no class of this model; there are: "),
        ({"image_id": None, "label": 4}, 422, "the model has 4 classes"),
        ({"image_id": None, "label": True}, 422, "label"),
        ({"image_id": None}, 422, "label"),
        ({"label": 0}, 422, "image_id"),
        ({"image_id": None, "label": 0, "stars": 5}, 422, "stars"),
    ],
)
def test_feedback_that_is_of_no_use_is_refused(
    logged: TestClient, red_left: bytes, body: dict[str, Any], status: int, named: str
) -> None:
    answer = classify(logged, red_left)
    if "image_id" in body and body["image_id"] is None:
        body = {**body, "image_id": answer["image_id"]}

    refused = logged.post("/feedback", json=body)

    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert named in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b'{"image_id": "\\ud800/0", "label": 0}', 422, "Invalid JSON"),
        (b'{"image_id": "', 422, "Invalid JSON"),
        (b"[]", 422, "should be an object"),
        (b'{"image_id": "%s"}' % bytes(65_536), 413, "65,536"),
    ],
    ids=["half a surrogate pair", "cut off", "no object", "too long"],
)
def test_a_body_that_is_no_feedback_is_refused_and_the_log_goes_on(
    logged: TestClient, red_left: bytes, body: bytes, status: int, named: str
) -> None:
    refused = logged.post("/feedback", content=body, headers={"Content-Type": "application/json"})

    assert refused.status_code == status
    assert named in refused.json()["detail"]
    answer = classify(logged, red_left)
    noted = logged.post("/feedback", json={"image_id": answer["image_id"], "label": 0})
    assert noted.status_code == 200


def test_feedback_that_is_not_called_json_is_refused(logged: TestClient) -> None:
    """A page of another site can have a browser send text, but not JSON, without asking."""
    refused = logged.post(
        "/feedback",
        content=b'{"image_id": "x/0", "label": 0}',
        headers={"Content-Type": "text/plain"},
    )

    assert refused.status_code == 422
    assert "application/json" in refused.json()["detail"]


def test_without_a_log_feedback_says_how_to_have_one(client: TestClient) -> None:
    asked = [client.post("/feedback", json={"image_id": "x", "label": 0}), client.get("/feedback")]

    for refused in asked:
        assert refused.status_code == 422
        assert "SEEWHY_PREDICTION_LOG" in refused.json()["detail"]
    assert client.get("/readyz").json()["prediction_log"] == {"state": "off", "reason": None}


def test_a_log_that_cannot_be_written_is_shown_and_costs_no_answer(
    tiny_repository: Path, tmp_path: Path, red_left: bytes
) -> None:
    settings = Settings(repository=tiny_repository, provider="cpu", prediction_log=tmp_path)
    with TestClient(create_app(settings)) as client:
        answer = client.post("/classify", content=red_left)
        image_id = answer.json()["image_id"]
        refused = client.post("/feedback", json={"image_id": image_id, "label": 0})
        ready = client.get("/readyz")
        metrics = client.get("/metrics").text

    assert answer.status_code == ready.status_code == 200
    assert refused.status_code == 503
    assert ready.json()["prediction_log"] == {
        "state": "failed", "reason": "unable to open database file",
    }  # fmt: skip
    assert "seewhy_prediction_log_up 0.0" in metrics
    assert 'seewhy_prediction_log_rows_total{outcome="lost"} 1.0' in metrics


def test_the_client_gives_feedback(logged: TestClient, red_left: bytes) -> None:
    answer = classify(logged, red_left)

    with Client("http://server", transport=httpx.MockTransport(through(logged))) as client:
        noted = client.feedback(answer["image_id"], answer["predictions"][0]["label"])

    assert noted.right


def through(client: TestClient) -> Any:
    def send(request: httpx.Request) -> httpx.Response:
        found = client.request(
            request.method, request.url.path, content=request.content, headers=request.headers
        )
        return httpx.Response(found.status_code, content=found.content)

    return send
