"""What surrounds every request: its id, its metrics, and the last resort for errors."""

import logging
import re
import time
from contextlib import ExitStack
from urllib.parse import quote
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import problems
from service.logs import FIELDS
from service.telemetry import Metrics

logger = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"

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
        started = time.perf_counter()
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
        state = scope.setdefault("state", {})
        at_end = ExitStack()  # what the request uses, to be given back
        state.update(
            request_id=request_id,
            started=started,
            model="",
            outcome="ok",
            stages={},
            at_end=at_end,
        )
        answering, status = False, problems.CLIENT_CLOSED_REQUEST

        async def send_with_id(message: Message) -> None:
            nonlocal answering, status
            if message["type"] == "http.response.start":
                answering, status = True, message["status"]
                # A client who does not read its answer is not to keep a model from being closed.
                at_end.close()
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            state["outcome"] = "InternalError"
            logger.exception("request %s failed", request_id)
            if answering:
                raise
            detail = "an unexpected error, which the log tells of"
            problem = problems.describe_status(_INTERNAL, detail, request_id)
            await problems.respond(problem)(scope, receive, send_with_id)
        finally:
            at_end.close()
            route = getattr(scope.get("route"), "path", "unknown")
            seconds = time.perf_counter() - started
            self._metrics.request(route, state["model"], state["outcome"], seconds)
            _log(scope, status, seconds)


def _log(scope: Scope, status: int, seconds: float) -> None:
    """One line for a request that is over."""
    # Quoted again, for a line break in a path would forge a line.
    method, path, state = scope["method"], quote(scope["path"]), scope["state"]
    message = f"{method} {path} {status} {state['outcome']} {1000 * seconds:.1f} ms"
    fields = {
        "request_id": state["request_id"],
        "method": method,
        "path": path,
        "status": status,
        "outcome": state["outcome"],
        "model": state["model"],
        "total_ms": round(1000 * seconds, 3),
        "stages_ms": {name: round(1000 * spent, 3) for name, spent in state["stages"].items()},
    }
    parent = Headers(scope=scope).get("traceparent", "")
    if _TRACEPARENT.fullmatch(parent):
        fields["traceparent"] = parent
    logger.info("%s", message, extra={FIELDS: fields})
