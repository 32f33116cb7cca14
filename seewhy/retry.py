"""When a request that the service turned away is sent again."""

import math
from http import HTTPStatus

import httpx


def pause(response: httpx.Response, remaining: float) -> float | None:
    """Seconds to wait before sending the request again; None where it should not be.

    Only 503 with a Retry-After in seconds asks for a retry (RFC 9110, section 10.2.3), and
    only when the wait ends before the `remaining` seconds of the call do.
    """
    if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    try:
        seconds = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds < remaining else None
