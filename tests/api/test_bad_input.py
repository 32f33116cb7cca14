"""Whatever is sent: a clear error in one shape, and never a stack trace."""

import base64
import json
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from service.api.schemas.images import Problem

PATHS = ["/classify", "/explain"]


def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = BytesIO()
    Image.fromarray(noise).save(data, "JPEG")
    return data.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def assert_problem(response: Any, status: int, title: str) -> Problem:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.content, extra="forbid")
    assert (problem.status, problem.title) == (status, title)
    assert problem.request_id == response.headers["X-Request-ID"]
    assert problem.detail
    assert "Traceback" not in problem.detail
    assert "\n" not in problem.detail
    return problem


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "status", "title"),
    [
        pytest.param(b"", 400, "Empty image", id="empty"),
        pytest.param(b"hello, this is text", 415, "Unsupported format", id="text"),
        pytest.param(bytes(1000), 415, "Unsupported format", id="zeros"),
        pytest.param(jpeg()[:-500], 422, "Corrupt image", id="truncated JPEG"),
        pytest.param(jpeg()[:20], 422, "Corrupt image", id="JPEG header"),
        pytest.param(png_claiming(60_000, 60_000), 413, "Image too large", id="bomb"),
        pytest.param(png_claiming(60, 60), 422, "Corrupt image", id="PNG without its pixels"),
        pytest.param(bytes(1_000_001), 413, "Image too large", id="too many bytes"),
    ],
)
def test_a_bad_raw_body_is_refused(
    client: TestClient, path: str, body: bytes, status: int, title: str
) -> None:
    response = client.post(path, content=body, headers={"Content-Type": "image/png"})
    assert_problem(response, status, title)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("top_k=0", "Invalid request"),
        ("top_k=many", "Invalid request"),
        ("version=0", "Invalid request"),
        ("version=latest", "Invalid request"),
        ("colour=red", "Invalid request"),
        ("method=magic", "Invalid request"),
    ],
)
def test_a_bad_query_is_refused(
    client: TestClient, red_left: bytes, path: str, query: str, title: str
) -> None:
    assert_problem(client.post(f"{path}?{query}", content=red_left), 422, title)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["model=nobody", "model=../tiny", "model=tiny/1", "version=7"])
def test_an_unknown_model_is_not_found(
    client: TestClient, red_left: bytes, path: str, query: str
) -> None:
    problem = assert_problem(
        client.post(f"{path}?{query}", content=red_left), 404, "Bundle not found"
    )
    assert "there are: " in problem.detail


GOOD = base64.b64encode(jpeg()).decode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param("{", 422, id="no JSON"),
        pytest.param("[]", 422, id="no object"),
        pytest.param("{}", 422, id="no images"),
        pytest.param('{"images": []}', 400, id="empty list"),
        pytest.param('{"images": ["abc"]}', 422, id="no object in the list"),
        pytest.param('{"images": [{"data": 3}]}', 422, id="a number"),
        pytest.param('{"images": [{"url": "x"}]}', 422, id="no data"),
        pytest.param('{"images": [{"data": ""}]}', 400, id="empty image"),
        pytest.param(json.dumps({"images": [{"data": GOOD}], "version": 0}), 422, id="option"),
        pytest.param(json.dumps({"images": [{"data": GOOD}], "colour": 1}), 422, id="unknown"),
        pytest.param(json.dumps({"images": [{"data": GOOD}] * 5}), 422, id="too many images"),
        pytest.param(json.dumps({"images": [{"data": GOOD}], "top_k": [1]}), 422, id="no scalar"),
        pytest.param(f'{{"images": [{"0," * 200_000}0]}}', 422, id="many faults"),
        pytest.param("[" * 100_000, 422, id="nested"),
    ],
)
def test_bad_json_is_refused(client: TestClient, path: str, body: str, status: int) -> None:
    response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, status, "Empty image" if status == 400 else "Invalid request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("data", ["no base64!", "/9j", "\u00e9"])
def test_bad_base64_fails_alone(client: TestClient, path: str, data: str) -> None:
    bad, good = {"data": data}, {"data": GOOD}
    alone = client.post(path, json={"images": [bad]})
    among = client.post(path, json={"images": [good, bad, good]})
    assert "not base64" in assert_problem(alone, 422, "Corrupt image").detail
    first, failed, last = among.json()["results"]
    assert failed["error"]["title"] == "Corrupt image"
    assert "error" not in first | last


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("parts", "status"),
    [
        pytest.param([("options", (None, "{}"))], 400, id="no image"),
        pytest.param([("top_k", (None, "1"))], 422, id="a field"),
        pytest.param([("options", (None, "top_k=1"))], 422, id="options are no JSON"),
        pytest.param([("options", (None, "[1]"))], 422, id="options are no object"),
        pytest.param([("options", (None, "[" * 100_000))], 422, id="options are nested"),
        pytest.param([("images", ("a", jpeg()))] * 5, 422, id="too many images"),
        pytest.param([("images", ("a", b""))], 400, id="empty file"),
    ],
)
def test_bad_multipart_is_refused(
    client: TestClient, path: str, parts: list[tuple[str, tuple[str | None, bytes]]], status: int
) -> None:
    title = "Empty image" if status == 400 else "Invalid request"
    assert_problem(client.post(path, files=parts), status, title)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_multipart_without_parts_is_refused(client: TestClient, content_type: str) -> None:
    response = client.post("/classify", content=b"abc", headers={"Content-Type": content_type})
    assert_problem(response, 422, "Invalid request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "x"])
def test_a_content_type_that_is_not_understood_is_refused(
    client: TestClient, red_left: bytes, path: str, content_type: str
) -> None:
    response = client.post(path, content=red_left, headers={"Content-Type": content_type})
    problem = assert_problem(response, 415, "Unsupported format")
    assert "multipart/form-data" in problem.detail


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("GET", "/classify", 405, "Method Not Allowed"),
        ("DELETE", "/models", 405, "Method Not Allowed"),
    ],
)
def test_unknown_routes_are_problems_too(
    client: TestClient, method: str, path: str, status: int, title: str
) -> None:
    assert_problem(client.request(method, path), status, title)


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/models/nobody", 404, "Bundle not found"),
        ("/models/tiny?version=9", 404, "Bundle not found"),
        ("/models/tiny?version=x", 422, "Invalid request"),
        ("/models/tiny?versoin=1", 422, "Invalid request"),
    ],
)
def test_unknown_models_cannot_be_shown(
    client: TestClient, path: str, status: int, title: str
) -> None:
    assert_problem(client.get(path), status, title)
