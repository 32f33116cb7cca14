"""An explanation of many passes ends with the interest in it; the graphs are fakes."""

import asyncio
from collections.abc import Callable
from threading import Event

import numpy as np
import pytest
from starlette.types import Message

from models.bundle import Bundle
from models.manifest import Graph
from service.app import create_app
from service.core.ports import Arrays, Runner
from service.core.serving import ServedModel
from service.settings import Settings

SAMPLES, BATCH = 512, 4


class Fake:
    """A model of zeros that counts its runs and says when one follows a classification."""

    def __init__(self, begun: Callable[[], None]) -> None:
        self.runs = 0
        self._begun = begun

    def run(self, feeds: Arrays, /) -> Arrays:
        image = feeds["image"]
        logits = np.zeros((len(image), 4), dtype=np.float32)
        if image.dtype == np.uint8:
            return {"logits": logits}
        self.runs += 1
        self._begun()
        Event().wait(0.05)  # long enough for a client to leave before the end
        return {"logits": logits, "input_gradient": np.zeros_like(image)}


def loaded(model: ServedModel) -> None:
    while any(status.state == "loading" for status in model.status.values()):
        Event().wait(0.01)


async def asked(settings: Settings, query: str, photo: bytes, *, leaves: bool) -> tuple[int, int]:
    """The status of a request, and how many runs of the explaining graphs it took.

    With `leaves` its client goes away at the first of them.
    """
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def begin() -> None:
        loop.call_soon_threadsafe(begun.set)

    fake = Fake(begin)

    def open_graph(_: Bundle, __: Graph) -> Runner:
        return fake

    limited = settings.model_copy(update={"max_batch": BATCH})
    app = create_app(limited, open_graph=open_graph)
    messages: list[Message] = [{"type": "http.request", "body": photo}]
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await (begun if leaves else asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    async with app.router.lifespan_context(app):
        (model,) = app.state.parts.catalogue.loaded()
        await asyncio.to_thread(loaded, model)
        scope = {
            "type": "http", "method": "POST", "path": "/explain", "headers": [],
            "query_string": query.encode(),
        }  # fmt: skip
        await app(scope, receive, send)
    # The context ends once all that was begun has ended.
    return sent[0]["status"], fake.runs


MANY = [
    f"method=smoothgrad&samples={SAMPLES}",
    f"method=integrated_gradients&steps={SAMPLES}",
    f"method=rise&masks={SAMPLES}",
    "method=occlusion&window=4&stride=1",
    f"method=smoothgrad&samples={SAMPLES}&quality=true&targets=0&targets=1",
]


@pytest.mark.parametrize("query", MANY)
def test_a_client_that_leaves_stops_the_work(
    settings: Settings, red_left: bytes, query: str
) -> None:
    status, runs = asyncio.run(asked(settings, query, red_left, leaves=True))
    assert status == 499
    assert 0 < runs < SAMPLES / BATCH


@pytest.mark.parametrize("query", MANY[:1])
def test_a_deadline_stops_the_work(settings: Settings, red_left: bytes, query: str) -> None:
    late = f"{query}&timeout_ms=2000"
    status, runs = asyncio.run(asked(settings, late, red_left, leaves=False))
    assert status == 504
    assert 0 < runs < SAMPLES / BATCH
