"""Every error as problem details (RFC 9457), in one shape and from one table."""

import json
import logging
import math
import os
import re
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from models import errors
from models.errors import SeeWhyError, Unavailable
from service.api import exchange

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[SeeWhyError], HTTPStatus] = {
    errors.SeeWhyError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ImageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.EmptyImage: HTTPStatus.BAD_REQUEST,
    errors.UnsupportedFormat: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.CorruptImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnreadableImage: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ImageTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UploadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnknownClass: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SameClass: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unsupported: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DataError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.OutputError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BundleError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BundleNotFound: HTTPStatus.NOT_FOUND,
    errors.BundleInvalid: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NotRobust: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.GoldenMismatch: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.RuntimeFailure: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ProviderUnavailable: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.OutOfMemory: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.JobNotFound: HTTPStatus.NOT_FOUND,
    errors.PredictionNotFound: HTTPStatus.NOT_FOUND,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.NotInstalled: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ServerError: HTTPStatus.BAD_GATEWAY,
    errors.TrainingError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.WeightsError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ExportError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

CLIENT_CLOSED_REQUEST = 499

_SANE_NAME = re.compile(r"[A-Za-z0-9_.]+")


def describe(error: SeeWhyError, request_id: str) -> dict[str, Any]:
    """An error of ours as a problem object; its type and title are the class's name."""
    words = re.findall("[A-Z][a-z]+", type(error).__name__)
    return {
        "type": "urn:seewhy:" + "-".join(words).lower(),
        "title": " ".join(words).capitalize(),
        "status": int(STATUS[type(error)]),
        "detail": str(error),
        "request_id": request_id,
    }


def describe_status(status: int, detail: str, request_id: str) -> dict[str, Any]:
    """A problem that HTTP's own status says all about."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }


def public(text: str, repository: Path) -> str:
    """A message as clients may see it: where the repository lies is not their business."""
    return text.replace(f"{repository}{os.sep}", "").replace(str(repository), "the repository")


def install(app: FastAPI, repository: Path) -> None:
    """Have all errors of an app answered as problems; none tells where the repository lies."""
    app.add_exception_handler(SeeWhyError, partial(_ours, repository))
    app.add_exception_handler(RequestValidationError, partial(_invalid, repository))
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _disconnected)


def respond(problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A problem object as a response."""
    body = json.dumps(problem, ensure_ascii=False)
    return Response(body, problem["status"], headers, media_type=MEDIA_TYPE)


def first_problem(problems: list[Any]) -> str:
    """What pydantic found wrong first, in a line."""
    where = ".".join(str(part) for part in problems[0]["loc"])
    # A name that the client chose may be empty, or hold a line break.
    shown = where if _SANE_NAME.fullmatch(where) else repr(where)
    return f"{shown}: {problems[0]['msg']}" if problems[0]["loc"] else str(problems[0]["msg"])


async def _ours(repository: Path, request: Request, error: Exception) -> Response:
    assert isinstance(error, SeeWhyError)  # noqa: S101  # as registered
    known = exchange.of(request)
    known.outcome = type(error).__name__
    problem = describe(error, known.request_id)
    problem["detail"] = public(problem["detail"], repository)
    if problem["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
        # What we raised says all by itself; what a vendor raised needs its trace.
        logger.error("request %s: %s", known.request_id, error, exc_info=error.__cause__)
    if isinstance(error, Unavailable):
        return respond(problem, {"Retry-After": str(max(1, math.ceil(error.retry_after)))})
    if isinstance(error, errors.Unauthorized):
        return respond(problem, {"WWW-Authenticate": "Bearer"})
    return respond(problem)


async def _invalid(repository: Path, request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # as registered
    refused = errors.InvalidRequest(first_problem(list(error.errors())))
    return await _ours(repository, request, refused)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # as registered
    known = exchange.of(request)
    known.outcome = HTTPStatus(error.status_code).phrase
    detail = f"{request.method} {request.url.path}: {error.detail}"
    problem = describe_status(error.status_code, detail, known.request_id)
    return respond(problem, error.headers)


async def _disconnected(request: Request, _: Exception) -> Response:
    exchange.of(request).outcome = "ClientDisconnect"
    return Response(status_code=CLIENT_CLOSED_REQUEST)
