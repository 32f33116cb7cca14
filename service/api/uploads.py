"""Images and options out of a request's body, reading no more than is allowed."""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError
from pydantic_core import from_json
from starlette.datastructures import Headers, QueryParams, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from models.errors import (
    CorruptImage,
    EmptyImage,
    ImageError,
    ImageTooLarge,
    InvalidRequest,
    UnsupportedFormat,
)
from service.api import bodies
from service.api.problems import first_problem
from service.api.schemas.images import Options

OPTIONS = "options"
MAX_OPTIONS = 64 * 1024

Asked = TypeVar("Asked", bound=Options)


@dataclass(frozen=True)
class UploadLimits:
    """`max_bytes` of body and `max_images` a request may have."""

    max_bytes: int
    max_images: int


@dataclass(frozen=True)
class Upload:
    """Encoded images, in order, and the options that came with them in the body.

    What could not be read as an image has its error in its place.
    """

    images: tuple[bytes | ImageError, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def image(self, position: int) -> bytes:
        """One of the images.

        Raises:
            ImageError: it could not be read.
        """
        found = self.images[position]
        if isinstance(found, ImageError):
            raise found
        return found


def is_one_image(media_type: str) -> bool:
    """Whether a body of this type is an image as it is, and so has no options in it."""
    return media_type in ("", "application/octet-stream") or media_type.startswith("image/")


def options_of(kind: type[Asked], query: QueryParams, in_body: Mapping[str, Any]) -> Asked:
    """The options of a request: its query's, overridden by those of its body.

    FastAPI could parse the query, at ten times the cost.

    Raises:
        InvalidRequest: an option is unknown, out of its range, or twice in the query.
    """
    given: dict[str, str | list[str]] = dict(query)
    for name in query:
        values = query.getlist(name)
        if name in kind.repeated:
            given[name] = values
        elif len(values) > 1:
            raise InvalidRequest(f"option {name!r} is in the query more than once")
    try:
        return kind.model_validate({**given, **in_body})
    except ValidationError as error:
        raise InvalidRequest(f"option {first_problem(error.errors())}") from error


class _JsonImage(BaseModel):
    model_config = ConfigDict(extra="forbid")
    data: str


_ShortList = Annotated[list[str | int | None], Field(max_length=64)]


class _JsonBody(BaseModel):
    model_config = ConfigDict(extra="allow")
    # Options are scalars or short lists: no Python objects are made of anything larger.
    __pydantic_extra__: dict[str, str | int | float | bool | _ShortList | None] = Field(init=False)
    images: Annotated[list[_JsonImage], FailFast()]


async def read(request: Request, limits: UploadLimits, seconds: float) -> Upload:
    """Read a request's images, which have so many seconds to come.

    Raises:
        EmptyImage: there is no body, or no image in it.
        UnsupportedFormat: a body of this content type is not understood.
        ImageTooLarge: more bytes than are allowed.
        InvalidRequest: the body is malformed, or has more images than are allowed.
        DeadlineExceeded: the body was not there in time.
        ClientDisconnect: the client has gone.
    """
    media_type = bodies.media_type(request.headers)
    body = await bodies.read(request, limits.max_bytes, ImageTooLarge, seconds)
    if not body:
        raise EmptyImage("there are no bytes: send an image")
    if is_one_image(media_type):
        return Upload((body,))
    if media_type == "multipart/form-data":
        upload = await asyncio.to_thread(_from_multipart, request.headers, body, limits.max_bytes)
    elif media_type == "application/json":
        upload = await asyncio.to_thread(_from_json, body)
    else:
        raise UnsupportedFormat(
            f"Content-Type {media_type} is not understood: send image/*, "
            "application/octet-stream, multipart/form-data or application/json"
        )
    if not upload.images:
        raise EmptyImage("the request holds no image")
    if len(upload.images) > limits.max_images:
        raise InvalidRequest(
            f"{len(upload.images)} images are more than the {limits.max_images} allowed"
        )
    return upload


def _from_json(body: bytes) -> Upload:
    try:
        parsed = _JsonBody.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_input=False)
        raise InvalidRequest(f"JSON body: {first_problem(problems)}") from error
    return Upload(
        tuple(_from_base64(each.data) for each in parsed.images), parsed.model_extra or {}
    )


def _from_base64(text: str) -> bytes | ImageError:
    try:
        # Encoders wrap long lines (RFC 2045, section 6.8).
        return base64.b64decode(text.encode("ascii").translate(None, b"\r\n"), validate=True)
    except (binascii.Error, ValueError) as error:
        return CorruptImage(f"the image is not base64: {error}")


class _Parser(MultiPartParser):
    """Starlette's, which takes a body that is cut off for one that ends."""

    complete = False

    def on_end(self) -> None:
        """The last boundary was read."""
        super().on_end()
        self.complete = True


def _from_multipart(headers: Headers, body: bytes, max_bytes: int) -> Upload:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = _Parser(headers, stream())
    parser.spool_max_size = max_bytes  # the body is in memory already
    try:
        # Starlette's parser is a coroutine that computes: here it holds up this thread alone.
        form = asyncio.run(parser.parse())
    except MultiPartException as error:
        raise InvalidRequest(f"multipart body: {error.message}") from error
    if not parser.complete:
        raise InvalidRequest("multipart body: it is cut off before its last boundary")
    if len(form.getlist(OPTIONS)) > 1:
        raise InvalidRequest(f"multipart body: there is more than one part {OPTIONS!r}")
    images = []
    options: dict[str, Any] = {}
    for name, part in form.multi_items():
        content = part.file.read() if isinstance(part, UploadFile) else part
        if name == OPTIONS:
            options = _parse_options(content)
        elif isinstance(content, bytes):
            images.append(content)
        else:
            raise InvalidRequest(
                f"multipart body: part {name!r} is no file; options go into the JSON part "
                f"{OPTIONS!r} or into the query"
            )
    return Upload(tuple(images), options)


def _parse_options(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_OPTIONS:
        raise InvalidRequest(f"part {OPTIONS!r} is longer than the {MAX_OPTIONS:,} bytes allowed")
    try:
        options = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"part {OPTIONS!r} is not JSON: {error}") from error
    if not isinstance(options, dict):
        raise InvalidRequest(f"part {OPTIONS!r} is no JSON object")
    return options
