"""Where a device wants few shapes, the whole service gives it few."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.core.ports import Arrays
from service.runtime import hardware, providers
from service.runtime.providers import Device, Provider
from service.runtime.session import OnnxSession
from service.settings import Settings

CPU = providers.choose(Provider.CPU)
NAMED_GPU = Device(Provider.CUDA, CPU.options)  # but run by the CPU


@pytest.fixture(params=[CPU, NAMED_GPU], ids=["cpu", "gpu"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Device:
    """What the service finds to run on."""
    found: Device = request.param
    monkeypatch.setattr(providers, "choose", lambda _: found)
    monkeypatch.setattr(providers, "every", lambda _: [found])
    monkeypatch.setattr(hardware, "name", lambda _: "a device")
    return found


def test_batches_are_padded_on_all_devices_but_the_cpu(
    device: Device,
    settings: Settings,
    red_left: bytes,
    wait_for_graphs: Callable[[TestClient], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, run = set(), OnnxSession.run

    def record(self: OnnxSession, feeds: Arrays, /) -> Arrays:
        rows.add(len(next(iter(feeds.values()))))
        return run(self, feeds)

    with TestClient(create_app(settings)) as client:
        wait_for_graphs(client)
        monkeypatch.setattr(OnnxSession, "run", record)
        explained = client.post("/explain?method=smoothgrad&samples=3", content=red_left)
    assert explained.status_code == 200, explained.text
    assert rows == ({1, 3} if device is CPU else {1, 4})
