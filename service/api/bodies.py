"""A request's body: no more of it than is allowed, and for no longer."""

import asyncio
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers

from models.errors import DeadlineExceeded, InvalidRequest, SeeWhyError, UploadTooLarge
from service.api.problems import first_problem

JSON = "application/json"

MOST_JSON = 64 * 1024
"""Bytes of a body that holds no image."""

_JSON_SECONDS = 10.0

Schema = TypeVar("Schema", bound=BaseModel)


def media_type(headers: Headers) -> str:
    """The `Content-Type` without its parameters; empty if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def read(
    request: Request, most_bytes: int, refusal: type[SeeWhyError], seconds: float
) -> bytes:
    """A body of at most so many bytes, which has come within so many seconds.

    Raises:
        SeeWhyError: the `refusal`; it has more.
        DeadlineExceeded: it takes longer: a client may send a byte a second.
        ClientDisconnect: the client has gone.
    """
    too_large = refusal(f"more bytes were sent than the {most_bytes:,} allowed")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most_bytes:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError as error:
        raise DeadlineExceeded("the request's body was not there in time") from error
    return b"".join(chunks)


async def read_json(request: Request, schema: type[Schema]) -> Schema:
    """A body that holds a JSON object and no image.

    FastAPI would read a body of any length, and let pass half a surrogate pair (RFC 8259,
    section 8.2), which no file and no answer can hold.

    Raises:
        InvalidRequest: it is not JSON, or not of this schema.
        UploadTooLarge: it is longer than 64 KiB.
        DeadlineExceeded: it does not come.
        ClientDisconnect: the client has gone.
    """
    if media_type(request.headers) != JSON:
        raise InvalidRequest(f"the body has to be {JSON}, and its Content-Type has to say so")
    body = await read(request, MOST_JSON, UploadTooLarge, _JSON_SECONDS)
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest(first_problem(error.errors(include_input=False))) from error
