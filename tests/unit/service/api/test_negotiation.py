import pytest

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
    assert prefers(accept, "image/png", "application/json")


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
    assert not prefers(accept, "image/png", "application/json")
