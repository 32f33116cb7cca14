"""Explanations of several requests share the graphs' runs; the graphs are fakes."""

import asyncio
from threading import Event

import httpx
import numpy as np
import pytest

from models.bundle import Bundle
from models.manifest import Graph
from service.app import create_app
from service.core.ports import Arrays, Runner
from service.core.serving import ServedModel
from service.settings import Settings

REQUESTS, PASSES, BATCH = 4, 4, 16


class Fake:
    """A model of zeros that notes how many images an explaining graph has at once."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.all_wait = Event()

    def run(self, feeds: Arrays, /) -> Arrays:
        image = feeds["image"]
        logits = np.zeros((len(image), 4), dtype=np.float32)
        if image.dtype == np.uint8:
            return {"logits": logits}
        self.rows.append(len(image))
        assert self.all_wait.wait(30)
        return {"logits": logits, "input_gradient": np.zeros_like(image)}


def wait_until_loaded(model: ServedModel) -> None:
    while any(status.state == "loading" for status in model.status.values()):
        Event().wait(0.01)


def wait_until_inside(model: ServedModel, rows: int) -> None:
    while sum(model.depths.values()) < rows:
        Event().wait(0.01)


@pytest.mark.parametrize(
    "query",
    [
        f"method=smoothgrad&samples={PASSES}",
        f"method=integrated_gradients&steps={PASSES - 2}",
        f"method=rise&masks={PASSES}",
    ],
)
def test_requests_fill_a_batch_together(settings: Settings, red_left: bytes, query: str) -> None:
    fake = Fake()

    def open_graph(_: Bundle, __: Graph) -> Runner:
        return fake

    async def scenario() -> list[int]:
        limited = settings.model_copy(update={"max_batch": BATCH, "explain_threads": REQUESTS})
        app = create_app(limited, open_graph=open_graph)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(base_url="http://test", transport=httpx.ASGITransport(app)) as client,
        ):
            (model,) = app.state.parts.catalogue.loaded()
            await asyncio.to_thread(wait_until_loaded, model)
            asked = [
                asyncio.create_task(client.post(f"/explain?{query}", content=red_left))
                for _ in range(REQUESTS)
            ]
            await asyncio.to_thread(wait_until_inside, model, REQUESTS * PASSES)
            fake.all_wait.set()
            return [(await each).status_code for each in asked]

    assert asyncio.run(scenario()) == [200] * REQUESTS
    # The first run begins with what is there; all that comes meanwhile is the second.
    assert sum(fake.rows) == REQUESTS * PASSES
    assert len(fake.rows) <= 2
