"""What surrounds every request: its id, its metrics, and the last resort for errors."""

import logging
import re
import secrets
import time
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import problems
from service.api.exchange import Exchange
from service.logs import FIELDS
from service.telemetry import Metrics

logger = logging.getLogger(__name__)

_REQUEST_ID = b"x-request-id"

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# W3C Trace Context, section 3.2; version ff and ids of zeros alone are invalid.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_INTERNAL = 500


class Observation:
    """ASGI middleware. The client's `X-Request-ID` is kept where it is sane."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = Exchange(_given_id(scope) or secrets.token_hex(16))
        known.put(scope)
        answering, status = False, problems.CLIENT_CLOSED_REQUEST

        async def send_with_id(message: Message) -> None:
            nonlocal answering, status
            if message["type"] == "http.response.start":
                answering, status = True, message["status"]
                # A client who does not read its answer is not to keep a model from being closed.
                known.at_end.close()
                named = (_REQUEST_ID, known.request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), named]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            known.outcome = "InternalError"
            logger.exception("request %s failed", known.request_id)
            if answering:
                raise
            detail = "an unexpected error, which the log tells of"
            problem = problems.describe_status(_INTERNAL, detail, known.request_id)
            await problems.respond(problem)(scope, receive, send_with_id)
        finally:
            known.at_end.close()
            route = getattr(scope.get("route"), "path", "unknown")
            seconds = time.perf_counter() - known.started
            self._metrics.request(route, known.model, known.outcome, seconds)
            _log(scope, known, status, seconds)


def _given_id(scope: Scope) -> str:
    """The client's own id for a request; empty where there is none, or none that is sane."""
    given = _header(scope, _REQUEST_ID)
    return given if _SANE_ID.fullmatch(given) else ""


def _header(scope: Scope, name: bytes) -> str:
    """A header, the first of its name; empty without. Starlette's way costs an exception."""
    return next((value for key, value in scope["headers"] if key == name), b"").decode("latin-1")


def _log(scope: Scope, known: Exchange, status: int, seconds: float) -> None:
    """One line for a request that is over."""
    # Quoted again, for a line break in a path would forge a line.
    method, path = scope["method"], quote(scope["path"])
    message = f"{method} {path} {status} {known.outcome} {1000 * seconds:.1f} ms"
    fields = {
        "request_id": known.request_id,
        "method": method,
        "path": path,
        "status": status,
        "outcome": known.outcome,
        "model": known.model,
        "total_ms": round(1000 * seconds, 3),
        "stages_ms": {name: round(1000 * spent, 3) for name, spent in known.stages.items()},
    }
    parent = _header(scope, b"traceparent")
    if _TRACEPARENT.fullmatch(parent):
        fields["traceparent"] = parent
    logger.info("%s", message, extra={FIELDS: fields})
