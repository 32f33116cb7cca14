"""The queue is driven by a runner that waits until the test lets it go on."""

from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from queue import SimpleQueue
from threading import Event, Semaphore

import numpy as np
import pytest

from models.errors import NotReady, Overloaded, RuntimeFailure
from service.core.batching import Answer, BatchQueue, BatchReport
from service.core.ports import Arrays

SECONDS = 5


class Doubler:
    """Doubles `x`; records its batches; fails where a batch holds a negative number."""

    def __init__(self, *, gated: bool = False) -> None:
        self.batches: list[list[float]] = []
        self.begun = Semaphore(0)
        self.go = Semaphore(0)
        self._gated = gated

    def run(self, feeds: Arrays, /) -> Arrays:
        self.batches.append(feeds["x"].tolist())
        self.begun.release()
        if self._gated:
            assert self.go.acquire(timeout=SECONDS)
        if (feeds["x"] < 0).any():
            raise RuntimeFailure("negative")
        return {"y": feeds["x"] * 2}


def submit(queue: BatchQueue, *numbers: float) -> Future[Answer]:
    return queue.submit({"x": np.array(numbers)})


@pytest.fixture
def runner() -> Doubler:
    return Doubler(gated=True)


@pytest.fixture
def queue(runner: Doubler) -> Iterator[BatchQueue]:
    queue = BatchQueue(runner, name="test", max_batch=4, capacity=8)
    yield queue
    for _ in range(20):
        runner.go.release()
    queue.close()


def test_an_idle_queue_starts_at_once_with_one_request(runner: Doubler, queue: BatchQueue) -> None:
    answer = submit(queue, 3)
    assert runner.begun.acquire(timeout=SECONDS)
    assert runner.batches == [[3]]
    runner.go.release()
    assert answer.result(SECONDS).outputs["y"].tolist() == [6]


def test_requests_gather_while_the_session_runs(runner: Doubler, queue: BatchQueue) -> None:
    answers = [submit(queue, 0)]
    assert runner.begun.acquire(timeout=SECONDS)
    answers += [submit(queue, n) for n in (1, 2, 3, 4, 5)]
    for _ in range(3):
        runner.go.release()
    values = [answer.result(SECONDS).outputs["y"].tolist() for answer in answers]
    assert values == [[0], [2], [4], [6], [8], [10]]
    assert runner.batches == [[0], [1, 2, 3, 4], [5]]


def test_a_request_of_several_rows_is_not_split(runner: Doubler, queue: BatchQueue) -> None:
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    pair, triple = submit(queue, 1, 2), submit(queue, 3, 4, 5)
    for _ in range(3):
        runner.go.release()
    assert pair.result(SECONDS).outputs["y"].tolist() == [2, 4]
    assert triple.result(SECONDS).outputs["y"].tolist() == [6, 8, 10]
    assert runner.batches[1:] == [[1, 2], [3, 4, 5]]


def test_a_request_larger_than_a_batch_is_run_by_itself(runner: Doubler, queue: BatchQueue) -> None:
    runner.go.release()
    assert submit(queue, 1, 2, 3, 4, 5).result(SECONDS).outputs["y"].tolist() == [2, 4, 6, 8, 10]


def test_a_full_queue_refuses_at_once(runner: Doubler, queue: BatchQueue) -> None:
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    submit(queue, *range(7))
    with pytest.raises(Overloaded):
        submit(queue, 1)


def test_room_is_made_by_answers_and_by_failures(runner: Doubler, queue: BatchQueue) -> None:
    full = submit(queue, *range(8))
    runner.go.release()
    full.result(SECONDS)
    failing = submit(queue, *[-1] * 8)
    runner.go.release()
    with pytest.raises(RuntimeFailure):
        failing.result(SECONDS)
    runner.go.release()
    assert len(submit(queue, *range(8)).result(SECONDS).outputs["y"]) == 8
    assert queue.depth == 0


def test_a_failed_batch_fails_its_own_requests_only(runner: Doubler, queue: BatchQueue) -> None:
    before = submit(queue, 1)
    assert runner.begun.acquire(timeout=SECONDS)
    bad, beside = submit(queue, -1), submit(queue, 2)
    runner.go.release()
    assert runner.begun.acquire(timeout=SECONDS)
    after = submit(queue, 3)
    runner.go.release(2)
    assert before.result(SECONDS).outputs["y"].tolist() == [2]
    for failed in (bad, beside):
        with pytest.raises(RuntimeFailure, match="negative"):
            failed.result(SECONDS)
    assert after.result(SECONDS).outputs["y"].tolist() == [6]


def test_a_cancelled_request_is_not_run(runner: Doubler, queue: BatchQueue) -> None:
    first = submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    given_up, kept = submit(queue, 1), submit(queue, 2)
    assert given_up.cancel()
    runner.go.release(2)
    assert kept.result(SECONDS).outputs["y"].tolist() == [4]
    assert first.done()
    assert runner.batches == [[0], [2]]
    assert queue.depth == 0
    with pytest.raises(CancelledError):
        given_up.result()


def test_closing_answers_what_was_let_in_and_refuses_the_rest(runner: Doubler) -> None:
    queue = BatchQueue(runner, name="test", max_batch=1, capacity=8)
    answers = [submit(queue, n) for n in range(3)]
    runner.go.release(3)
    queue.close()
    assert [answer.result(0).outputs["y"].tolist() for answer in answers] == [[0], [2], [4]]
    with pytest.raises(NotReady):
        submit(queue, 1)
    assert queue.depth == 0


def test_times_are_those_of_waiting_and_running(runner: Doubler, queue: BatchQueue) -> None:
    pause = Event()
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    waiting = submit(queue, 1)
    pause.wait(0.05)
    runner.go.release()
    assert runner.begun.acquire(timeout=SECONDS)
    pause.wait(0.02)
    runner.go.release()
    answer = waiting.result(SECONDS)
    assert answer.queue_seconds >= 0.05
    assert answer.inference_seconds >= 0.02


def test_each_batch_is_reported() -> None:
    reports: SimpleQueue[BatchReport] = SimpleQueue()
    queue = BatchQueue(Doubler(), name="test", max_batch=4, capacity=8, report=reports.put)
    queue.run({"x": np.array([1.0, 2.0])})
    queue.close()
    assert reports.get(timeout=SECONDS).rows == 2


def test_a_queue_is_itself_a_runner() -> None:
    queue = BatchQueue(Doubler(), name="test", max_batch=4, capacity=8, background=True)
    assert queue.run({"x": np.array([1.0, 2.0])})["y"].tolist() == [2, 4]
    queue.close()
