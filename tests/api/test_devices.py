"""A machine with several devices, as the whole service uses it; here both are the CPU."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.core.ports import Arrays
from service.runtime import hardware, providers
from service.runtime.providers import Provider
from service.runtime.session import OnnxSession
from service.settings import Settings

CPU = providers.choose(Provider.CPU)


def test_all_devices_are_named_and_each_has_sessions_of_its_own(
    settings: Settings,
    red_left: bytes,
    wait_for_graphs: Callable[[TestClient], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(providers, "every", lambda device: [device.on(0), device.on(1)])
    monkeypatch.setattr(hardware, "name", lambda device: f"device {device.number}")
    used, run = set(), OnnxSession.run

    def record(self: OnnxSession, feeds: Arrays, /) -> Arrays:
        used.add(id(self.session))
        return run(self, feeds)

    with TestClient(create_app(settings)) as client:
        wait_for_graphs(client)
        monkeypatch.setattr(OnnxSession, "run", record)
        assert client.get("/readyz").json()["devices"] == ["device 0", "device 1"]
        answers = [
            client.post("/classify", content=red_left).json()["predictions"] for _ in range(20)
        ]
    assert answers == [answers[0]] * 20
    assert len(used) == 2
