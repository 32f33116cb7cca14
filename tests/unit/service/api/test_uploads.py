import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import Request
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Message

from models.errors import DeadlineExceeded, ImageTooLarge, InvalidRequest
from service.api.schemas.classify import ClassifyOptions
from service.api.schemas.explain import ExplainOptions
from service.api.uploads import Upload, UploadLimits, options_of, read

JSON = {"content-type": "application/json"}


def read_from(
    messages: Iterator[Message],
    headers: Mapping[str, str] | None = None,
    *,
    max_bytes: int = 1000,
) -> tuple[Upload, int]:
    """What is read from ASGI messages, and how many were taken."""
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return next(messages)

    async def run() -> Upload:
        request = Request({"type": "http", "headers": raw}, receive)
        return await read(request, UploadLimits(max_bytes, max_images=2), seconds=10)

    return asyncio.run(run()), taken


def chunks(count: int, size: int) -> Iterator[Message]:
    for _ in range(count):
        yield {"type": "http.request", "body": bytes(size), "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


def test_chunks_are_joined() -> None:
    upload, _ = read_from(chunks(10, 100))
    assert upload.images == (bytes(1000),)


def test_a_body_of_unknown_length_is_read_no_further_than_allowed() -> None:
    messages = chunks(1000, 100)
    with pytest.raises(ImageTooLarge, match="1,000 allowed"):
        read_from(messages)
    assert len(list(messages)) == 1001 - 11


def test_a_body_that_does_not_come_in_time_is_not_waited_for() -> None:
    async def run() -> None:
        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        request = Request({"type": "http", "headers": []}, receive)
        await read(request, UploadLimits(1000, max_images=2), seconds=0.01)

    with pytest.raises(DeadlineExceeded, match="not there in time"):
        asyncio.run(run())


def test_a_body_that_announces_too_much_is_not_read_at_all() -> None:
    messages = chunks(3, 100)
    with pytest.raises(ImageTooLarge):
        read_from(messages, {"content-length": "1001"})
    assert len(list(messages)) == 4


def test_a_client_that_goes_away_is_noticed() -> None:
    gone: list[Message] = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.disconnect"},
    ]
    with pytest.raises(ClientDisconnect):
        read_from(iter(gone))


def test_options_of_the_body_come_before_those_of_the_query() -> None:
    options = options_of(ClassifyOptions, QueryParams("top_k=2&model=a"), {"top_k": 3})
    assert options == ClassifyOptions(top_k=3, model="a")


@pytest.mark.parametrize("options", [{"top_k": 0}, {"colour": 1}, {"top_k": "many"}])
def test_bad_options_are_refused_by_name(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(InvalidRequest, match=f"option {name}: "):
        options_of(ClassifyOptions, QueryParams(options), {})
    with pytest.raises(InvalidRequest, match=f"option {name}: "):
        options_of(ClassifyOptions, QueryParams(), options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": True}, "option top_k: Input should be a number, not true or false"),
        ({"version": True}, "option version: Input should be a number, not true or false"),
        ({"target": True}, "option target: Input should be a class index or a label"),
        ({"target": 1.0}, "option target: Input should be a class index or a label"),
        ({"target": [1]}, "option target: Input should be a class index or a label"),
        ({"": 1}, "option '': Extra inputs are not permitted"),
        ({"a\nb": 1}, r"option 'a\nb': Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_with_an_option_is_said_in_a_line(
    options: dict[str, Any], message: str
) -> None:
    kind = ClassifyOptions if "top_k" in options else ExplainOptions
    with pytest.raises(InvalidRequest) as refused:
        options_of(kind, QueryParams(), options)
    assert str(refused.value) == message


def test_an_option_that_is_twice_in_the_query_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="option 'top_k' is in the query more than once"):
        options_of(ClassifyOptions, QueryParams("top_k=1&top_k=2"), {})


def test_json_that_is_none_is_said_to_be_so() -> None:
    body: list[Message] = [{"type": "http.request", "body": b"{"}]
    with pytest.raises(InvalidRequest, match=r"^JSON body: Invalid JSON"):
        read_from(iter(body), JSON)


def multipart(*parts: tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """A body and its headers."""
    form = b"".join(
        b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (names.encode(), content)
        for names, content in parts
    )
    return form + b"--x--\r\n", {"content-type": "multipart/form-data; boundary=x"}


def test_an_options_part_is_no_longer_than_allowed() -> None:
    image = ('name="images"; filename="a"', b"abc")
    for names in ('name="options"', 'name="options"; filename="options"'):
        body, headers = multipart(image, (names, b'{"top_k": 1' + b" " * 2**16 + b"}"))
        messages: list[Message] = [{"type": "http.request", "body": body}]
        with pytest.raises(InvalidRequest, match="65,536 bytes"):
            read_from(iter(messages), headers, max_bytes=2**20)


def test_more_than_one_options_part_is_refused() -> None:
    body, headers = multipart(*[('name="options"', b"{}")] * 2)
    with pytest.raises(InvalidRequest, match="more than one part 'options'"):
        read_from(iter([{"type": "http.request", "body": body}]), headers)


@pytest.mark.parametrize("missing", [4, 6, 8, 9, 20, 60])
def test_multipart_that_is_cut_off_is_refused_as_such(missing: int) -> None:
    image = ('name="images"; filename="a"', b"abc")
    body, headers = multipart(image, image)
    with pytest.raises(InvalidRequest, match="cut off"):
        read_from(iter([{"type": "http.request", "body": body[:-missing]}]), headers)


def test_other_requests_are_answered_while_a_large_multipart_body_is_parsed() -> None:
    body, headers = multipart(*[('name="images"; filename="a"', bytes(1000))] * 900)
    turns = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def run() -> None:
        nonlocal turns
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = Request({"type": "http", "headers": raw}, receive)
        reading = asyncio.create_task(read(request, UploadLimits(2**24, 1000), seconds=10))
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(run())
    assert turns > 10
