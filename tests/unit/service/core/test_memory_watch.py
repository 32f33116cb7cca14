import logging
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from models.bundle import Bundle
from service.core.memory_watch import MemoryWatch

SECONDS = 5


class Process:
    """A process of `base` bytes, with models of ten bytes each."""

    def __init__(self, bundle: Bundle, *, base: int, models: int) -> None:
        self.bundle, self.base, self.models = bundle, base, models

    def resident(self) -> int:
        return self.base + 10 * self.models

    def give_up(self) -> Bundle | None:
        if not self.models:
            return None
        self.models -= 1
        return self.bundle


Watch = Callable[[Process], MemoryWatch]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Watches a process, up to 100 bytes, only when it is told to."""
    watches = []

    def start(process: Process) -> MemoryWatch:
        watches.append(
            MemoryWatch(100, resident=process.resident, give_up=process.give_up, seconds=1000)
        )
        return watches[-1]

    yield start
    for each in watches:
        each.close()


def test_models_are_given_up_until_the_memory_is_within_the_limit(
    watch: Watch, tiny_bundle: Bundle
) -> None:
    process = Process(tiny_bundle, base=75, models=5)
    watching = watch(process)
    watching.relieve()
    assert process.models == 2
    watching.relieve()
    assert process.models == 2


def test_a_limit_that_cannot_be_kept_is_warned_of_once_each_time(
    watch: Watch, tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(tiny_bundle, base=120, models=2)
    watching = watch(process)
    with caplog.at_level(logging.WARNING):
        for base in (120, 120, 99, 120):  # a little below is not calm yet
            process.base = base
            watching.relieve()
        assert process.models == 0
        assert caplog.messages == [
            "120 of 100 bytes in use, and no model is idle that could be given up"
        ]
        for base in (80, 130):
            process.base = base
            watching.relieve()
    assert caplog.messages[1:] == [
        "130 of 100 bytes in use, and no model is idle that could be given up"
    ]


def test_the_memory_is_looked_at_again_and_again(tiny_bundle: Bundle) -> None:
    process, given_up = Process(tiny_bundle, base=95, models=0), Event()

    def give_up() -> Bundle | None:
        given_up.set()
        return process.give_up()

    watching = MemoryWatch(100, resident=process.resident, give_up=give_up, seconds=0.001)
    try:
        assert not given_up.wait(0.05)
        process.models = 1
        assert given_up.wait(SECONDS)
    finally:
        watching.close()
    assert process.models == 0


def test_nothing_is_looked_at_after_the_end(tiny_bundle: Bundle) -> None:
    process = Process(tiny_bundle, base=0, models=1)
    watching = MemoryWatch(100, resident=process.resident, give_up=process.give_up, seconds=0.001)
    watching.close()
    process.base = 200
    assert not Event().wait(0.05)
    assert process.models == 1
