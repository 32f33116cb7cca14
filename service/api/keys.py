"""Who may ask, and how much at once: API keys as bearer tokens (RFC 6750)."""

import hmac
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping

from fastapi import Request

from models.errors import TooManyRequests, Unauthorized

Guard = Callable[[Request], AsyncGenerator[None]]


def guard(limits: Mapping[str, int]) -> Guard:
    """A dependency that lets a request in which brings one of the keys.

    Args:
        limits: by key, how many of its requests may be answered at once.

    Raises:
        Unauthorized: there is no such key.
        TooManyRequests: so many of its requests are being answered already.
    """
    inside: Counter[str] = Counter()  # changed by the event loop's thread alone

    async def admit(request: Request) -> AsyncGenerator[None]:
        key = _known(_bearer(request), limits)
        if inside[key] >= limits[key]:
            raise TooManyRequests(f"{limits[key]} requests with this key are being answered")
        inside[key] += 1
        try:
            yield
        finally:
            inside[key] -= 1

    return admit


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("send a key: Authorization: Bearer <key>")
    return token.strip()


def _known(token: str, keys: Mapping[str, int]) -> str:
    """The key that a token is. All are compared, each in a time that tells nothing of it."""
    found = [key for key in keys if hmac.compare_digest(key.encode(), token.encode())]
    if not found:
        raise Unauthorized("this key is not known here, or does not allow this")
    return found[0]
