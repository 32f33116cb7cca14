"""What surrounds every request: its id, its metrics, and the last resort for errors."""

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import problems
from service.telemetry import Metrics

logger = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
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
        state.update(request_id=request_id, started=started, model="", outcome="ok")
        answering = False

        async def send_with_id(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            state["outcome"] = "InternalError"
            logger.exception("request %s failed", request_id)
            if answering:
                raise
            detail = "an unexpected error; the log has it under this request_id"
            problem = problems.describe_status(_INTERNAL, detail, request_id)
            await problems.respond(problem)(scope, receive, send_with_id)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            seconds = time.perf_counter() - started
            self._metrics.request(route, state["model"], state["outcome"], seconds)
