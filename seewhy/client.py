"""HTTP clients of the service: `Client` blocks, `AsyncClient` is awaited.

Both raise `ServerError` where the service answers with an error or not at all, and OSError
where a photo's file cannot be read.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self, TypeVar, Unpack

import httpx

from models.errors import ServerError
from seewhy import calls
from seewhy.calls import (
    Call,
    ClassifyOptions,
    CommonOptions,
    ExplainOptions,
    Image,
    Picture,
    Result,
    RobustnessOptions,
    SimilarOptions,
)
from seewhy.retry import pause
from service.api.schemas.classify import Classification, Classified
from service.api.schemas.explain import Explanation, TargetsExplanation
from service.api.schemas.feedback import Noted
from service.api.schemas.images import Failed
from service.api.schemas.robustness import Robustness
from service.api.schemas.similar import Embedded, Similar

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 30.0

Given = TypeVar("Given")
Asked = TypeVar("Asked")


class Client:
    """A blocking client; use it as a context manager, or call `close`.

    A service that is overloaded or still loading is asked again when its Retry-After says.
    `timeout` is the number of seconds after which nothing is sent again; it bounds every
    single wait for the network too. For an answer with robustness checks a call waits that
    long for each 200 passes that they may take, as the service works so long, and no call waits
    less than its own `timeout_ms`. `api_key` is what a service that asks for keys is sent.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=url, headers=_headers(api_key), timeout=timeout, transport=transport
        )
        self._timeout = timeout

    def classify(self, image: Image, **options: Unpack[ClassifyOptions]) -> Classification:
        """What a photo shows: its `top_k` most probable classes."""
        return self._send(calls.classify(image, options))

    def classify_many(
        self, images: Iterable[Image], **options: Unpack[ClassifyOptions]
    ) -> list[Classified | Failed]:
        """Several photos in one request, in order; a bad one of several fails alone, in place."""
        return self._send(calls.classify_many(images, options))

    def explain(self, image: Image, **options: Unpack[ExplainOptions]) -> Explanation:
        """Where in a photo the evidence for a class lies, as numbers."""
        return self._send(calls.explain(image, options))

    def explain_targets(
        self, image: Image, targets: Iterable[int | str], **options: Unpack[ExplainOptions]
    ) -> TargetsExplanation:
        """Where in a photo the evidence for each of several classes lies, in one request."""
        return self._send(calls.explain_targets(image, options, targets=targets))

    def heat_map(self, image: Image, **options: Unpack[ExplainOptions]) -> Picture:
        """Where in a photo the evidence for a class lies, drawn over it."""
        return self._send(calls.heat_map(image, options))

    def embed(self, image: Image, **options: Unpack[CommonOptions]) -> Embedded:
        """A photo as a vector."""
        return self._send(calls.embed(image, options))

    def similar(self, image: Image, **options: Unpack[SimilarOptions]) -> Similar:
        """The `top_k` training images that are most like a photo."""
        return self._send(calls.similar(image, options))

    def robustness(self, image: Image, **options: Unpack[RobustnessOptions]) -> Robustness:
        """How easily the answer for a photo is changed."""
        return self._send(calls.robustness(image, options))

    def adversarial(self, image: Image, **options: Unpack[RobustnessOptions]) -> Picture:
        """A photo's crop, what a check does to it, and the outcome, side by side."""
        return self._send(calls.adversarial(image, options))

    def feedback(self, image_id: str, label: int | str) -> Noted:
        """Tell the service what an image of an earlier answer really shows."""
        return self._send(calls.feedback(image_id, label))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, call: Call[Result]) -> Result:
        patience = call.patience(self._timeout)
        deadline, waits = time.monotonic() + patience, httpx.Timeout(self._timeout, read=patience)
        while True:
            with _translated():
                response = self._http.post(call.path, timeout=waits, **call.arguments)
            seconds = pause(response, deadline - time.monotonic())
            if seconds is None:
                return call.result(response)
            time.sleep(seconds)


class AsyncClient:
    """`Client` for asyncio: the same calls, awaited."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers=_headers(api_key), timeout=timeout, transport=transport
        )
        self._timeout = timeout

    async def classify(self, image: Image, **options: Unpack[ClassifyOptions]) -> Classification:
        """What a photo shows: its `top_k` most probable classes."""
        return await self._send(calls.classify, image, options)

    async def classify_many(
        self, images: Iterable[Image], **options: Unpack[ClassifyOptions]
    ) -> list[Classified | Failed]:
        """Several photos in one request, in order; a bad one of several fails alone, in place."""
        return await self._send(calls.classify_many, images, options)

    async def explain(self, image: Image, **options: Unpack[ExplainOptions]) -> Explanation:
        """Where in a photo the evidence for a class lies, as numbers."""
        return await self._send(calls.explain, image, options)

    async def explain_targets(
        self, image: Image, targets: Iterable[int | str], **options: Unpack[ExplainOptions]
    ) -> TargetsExplanation:
        """Where in a photo the evidence for each of several classes lies, in one request."""
        made = partial(calls.explain_targets, targets=targets)
        return await self._send(made, image, options)

    async def heat_map(self, image: Image, **options: Unpack[ExplainOptions]) -> Picture:
        """Where in a photo the evidence for a class lies, drawn over it."""
        return await self._send(calls.heat_map, image, options)

    async def embed(self, image: Image, **options: Unpack[CommonOptions]) -> Embedded:
        """A photo as a vector."""
        return await self._send(calls.embed, image, options)

    async def similar(self, image: Image, **options: Unpack[SimilarOptions]) -> Similar:
        """The `top_k` training images that are most like a photo."""
        return await self._send(calls.similar, image, options)

    async def robustness(self, image: Image, **options: Unpack[RobustnessOptions]) -> Robustness:
        """How easily the answer for a photo is changed."""
        return await self._send(calls.robustness, image, options)

    async def adversarial(self, image: Image, **options: Unpack[RobustnessOptions]) -> Picture:
        """A photo's crop, what a check does to it, and the outcome, side by side."""
        return await self._send(calls.adversarial, image, options)

    async def feedback(self, image_id: str, label: int | str) -> Noted:
        """Tell the service what an image of an earlier answer really shows."""
        return await self._send(calls.feedback, image_id, label)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(
        self, make: Callable[[Given, Asked], Call[Result]], given: Given, asked: Asked
    ) -> Result:
        started = time.monotonic()
        # Other tasks go on while a file is read.
        call = await asyncio.to_thread(make, given, asked)
        patience = call.patience(self._timeout)
        deadline, waits = started + patience, httpx.Timeout(self._timeout, read=patience)
        while True:
            with _translated():
                response = await self._http.post(call.path, timeout=waits, **call.arguments)
            seconds = pause(response, deadline - time.monotonic())
            if seconds is None:
                return call.result(response)
            await asyncio.sleep(seconds)


def _headers(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpx.RequestError as error:
        reason = str(error) or type(error).__name__
        raise ServerError(f"no answer from {error.request.url}: {reason}") from error
