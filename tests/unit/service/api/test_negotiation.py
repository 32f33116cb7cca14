import pytest
from starlette.datastructures import Headers

from service.api.negotiation import prefers


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "IMAGE/PNG",
        "image/*",
        "image/png, application/json;q=0.9",
        "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        "text/html, image/png;q=0.5",
    ],
)
def test_a_picture_is_preferred(accept: str) -> None:
    assert prefers(Headers({"Accept": accept}), "image/png", "application/json")


def test_accept_may_come_in_several_lines() -> None:
    lines = [(b"accept", b"application/json;q=0.5"), (b"accept", b"image/png")]
    assert prefers(Headers(raw=lines), "image/png", "application/json")


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/json, image/png",
        "image/png;q=0.5, */*",
        "image/png;q=0",
        "image/png;q=high",
        "text/html",
        ";;,,",
    ],
)
def test_json_is_preferred(accept: str) -> None:
    assert not prefers(Headers({"Accept": accept}), "image/png", "application/json")


def test_without_accept_json_is_preferred() -> None:
    assert not prefers(Headers({}), "image/png", "application/json")
