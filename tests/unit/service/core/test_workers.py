import os
import sys
import threading
from threading import Event

import pytest

from models.errors import CorruptImage, NotReady, Overloaded
from service.core.workers import WorkerPool

SECONDS = 5


def test_a_call_returns_what_the_function_returns_or_raises() -> None:
    def fail() -> None:
        raise CorruptImage("broken")

    pool = WorkerPool("test", threads=1, capacity=2)
    assert pool.submit(divmod, 7, 3).result(SECONDS) == (2, 1)
    with pytest.raises(CorruptImage, match="broken"):
        pool.submit(fail).result(SECONDS)
    pool.close()


def test_calls_beyond_the_capacity_are_refused_until_one_is_done() -> None:
    pool = WorkerPool("test", threads=1, capacity=2)
    go = Event()
    running, waiting = pool.submit(go.wait, SECONDS), pool.submit(int)
    with pytest.raises(Overloaded):
        pool.submit(int)
    go.set()
    assert running.result(SECONDS)
    waiting.result(SECONDS)
    pool.close()


def test_a_cancelled_call_makes_room() -> None:
    pool = WorkerPool("test", threads=1, capacity=2)
    go = Event()
    pool.submit(go.wait, SECONDS)
    assert pool.submit(int).cancel()
    pool.submit(int)
    go.set()
    pool.close()


def test_room_is_held_until_the_whole_task_is_done() -> None:
    pool = WorkerPool("test", threads=1, capacity=2)
    with pool.reserve(2) as room:
        with pytest.raises(Overloaded):
            pool.submit(int)
        calls = [room.submit(divmod, n, 2) for n in range(8)]
        assert [call.result(SECONDS)[0] for call in calls] == [0, 0, 1, 1, 2, 2, 3, 3]
        with pytest.raises(Overloaded):
            pool.submit(int)
    assert pool.submit(int).result(SECONDS) == 0
    pool.close()


def test_closing_finishes_what_was_let_in() -> None:
    pool = WorkerPool("test", threads=1, capacity=8)
    calls = [pool.submit(divmod, n, 2) for n in range(8)]
    pool.close()
    assert [call.result(0)[0] for call in calls] == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(NotReady):
        pool.submit(int)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_background_threads_give_way_to_others() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    pool = WorkerPool("test", threads=1, capacity=1, background=True)
    assert pool.submit(niceness).result(SECONDS) > niceness()
    pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_background_threads_work_where_no_priority_may_be_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", forbidden)
    pool = WorkerPool("test", threads=1, capacity=1, background=True)
    assert pool.submit(divmod, 7, 2).result(SECONDS) == (3, 1)
    pool.close()
    assert "keeps its priority" in caplog.text
