"""The queue is driven by a runner that waits until the test lets it go on."""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from queue import SimpleQueue
from threading import Event, Semaphore, current_thread, get_native_id
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.errors import (
    CorruptImage,
    DeadlineExceeded,
    NotReady,
    OutOfMemory,
    Overloaded,
    RuntimeFailure,
)
from service.core.batching import BatchQueue
from service.core.demand import Demand, Priority
from service.core.ports import Arrays
from service.core.waiting import Answer

if TYPE_CHECKING:
    from service.core.batch_run import BatchReport

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


def submit(queue: BatchQueue, *numbers: float, demand: Demand | None = None) -> Future[Answer]:
    return queue.submit({"x": np.array(numbers)}, demand)


@pytest.fixture
def runner() -> Doubler:
    return Doubler(gated=True)


@pytest.fixture
def queue(runner: Doubler) -> Iterator[BatchQueue]:
    queue = BatchQueue([runner], name="test", max_batch=4, capacity=8)
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


def test_a_request_larger_than_a_batch_is_run_in_pieces(runner: Doubler, queue: BatchQueue) -> None:
    runner.go.release(2)
    assert submit(queue, 1, 2, 3, 4, 5).result(SECONDS).outputs["y"].tolist() == [2, 4, 6, 8, 10]
    assert runner.batches == [[1, 2, 3, 4], [5]]


def test_a_full_queue_refuses_at_once(runner: Doubler, queue: BatchQueue) -> None:
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    submit(queue, *range(7))
    with pytest.raises(Overloaded):
        submit(queue, 1)


def test_room_is_made_by_answers_and_by_failures(runner: Doubler, queue: BatchQueue) -> None:
    full = submit(queue, *range(8))
    runner.go.release(2)
    full.result(SECONDS)
    failing = submit(queue, *[-1] * 8)
    runner.go.release()
    with pytest.raises(RuntimeFailure):
        failing.result(SECONDS)
    runner.go.release(2)
    assert len(submit(queue, *range(8)).result(SECONDS).outputs["y"]) == 8
    assert queue.depth == 0


def test_its_age_is_the_time_that_the_first_in_it_has_waited(
    runner: Doubler, queue: BatchQueue
) -> None:
    assert queue.age == 0
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    assert queue.age == 0  # what runs does not wait
    before = time.perf_counter()
    submit(queue, 1)
    after = time.perf_counter()
    Event().wait(0.02)
    submit(queue, 2, demand=Demand(deadline=before + SECONDS))  # more urgent, and later
    now = time.perf_counter()
    assert now - after <= queue.age <= time.perf_counter() - before


def test_a_failed_batch_is_run_once_more_in_halves(runner: Doubler, queue: BatchQueue) -> None:
    before = submit(queue, 1)
    assert runner.begun.acquire(timeout=SECONDS)
    bad, beside, other, another = (submit(queue, n) for n in (-1, 2, 3, 4))
    runner.go.release(10)
    assert before.result(SECONDS).outputs["y"].tolist() == [2]
    for failed in (bad, beside):
        with pytest.raises(RuntimeFailure, match="negative"):
            failed.result(SECONDS)
    assert [a.result(SECONDS).outputs["y"].tolist() for a in (other, another)] == [[6], [8]]
    assert submit(queue, 5).result(SECONDS).outputs["y"].tolist() == [10]
    assert runner.batches == [[1], [-1, 2, 3, 4], [-1, 2], [3, 4], [5]]
    assert queue.depth == 0


class Small:
    """A device with the memory for two rows; what it is given to wait for comes before."""

    def __init__(self, go: Event | None = None) -> None:
        self._go = go

    def run(self, feeds: Arrays, /) -> Arrays:
        assert self._go is None or self._go.wait(SECONDS)
        if len(feeds["x"]) > 2:
            raise OutOfMemory("too many")
        return {"y": feeds["x"]}


def test_where_memory_runs_out_batches_become_smaller_and_it_is_reported() -> None:
    reports: SimpleQueue[BatchReport] = SimpleQueue()
    blocked = Doubler(gated=True)

    class Both:
        def run(self, feeds: Arrays, /) -> Arrays:
            if feeds["x"][0] == 0:
                blocked.run(feeds)
            return Small().run(feeds)

    queue = BatchQueue([Both()], name="test", max_batch=4, capacity=64, report=reports.put)
    submit(queue, 0)
    assert blocked.begun.acquire(timeout=SECONDS)
    answers = [submit(queue, n) for n in range(1, 9)]
    blocked.go.release()
    assert [a.result(SECONDS).outputs["y"].tolist() for a in answers] == [[n] for n in range(1, 9)]
    queue.close()
    found = [reports.get(timeout=SECONDS) for _ in range(6)]
    assert [(r.rows, r.limit, r.out_of_memory) for r in found] == [
        (1, 4, False),
        (4, 2, True),
        *[(2, 2, False)] * 4,
    ]


def test_a_request_that_does_not_fit_is_run_again_in_pieces() -> None:
    reports: SimpleQueue[BatchReport] = SimpleQueue()
    queue = BatchQueue([Small()], name="test", max_batch=4, capacity=64, report=reports.put)
    assert submit(queue, 1, 2, 3, 4).result(SECONDS).outputs["y"].tolist() == [1, 2, 3, 4]
    queue.close()
    found = [reports.get(timeout=SECONDS) for _ in range(2)]
    assert [(r.rows, r.limit, r.out_of_memory) for r in found] == [(4, 2, True), (4, 2, False)]
    assert queue.depth == 0


class Large:
    """A device with the memory for anything, beside a small one."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.begun = Event()

    def run(self, feeds: Arrays, /) -> Arrays:
        self.batches.append(len(feeds["x"]))
        self.begun.set()
        return {"y": feeds["x"]}


def test_a_device_that_runs_out_of_memory_makes_the_batches_of_no_other_smaller() -> None:
    large = Large()
    small = Small(large.begun)
    queue = BatchQueue([small, large], name="test", max_batch=4, capacity=64)
    for _ in range(4):
        # The small one waits for the large one: each gets some, and what the small one has fails.
        large.begun.clear()
        answers = [submit(queue, 2, 2, 2, 2) for _ in range(8)]
        for answer in answers:
            answer.result(SECONDS)
    queue.close()
    assert set(large.batches) == {4}


def test_the_least_loaded_device_gets_the_next_batch() -> None:
    busy, other = Doubler(gated=True), Doubler(gated=True)
    queue = BatchQueue([busy, other] * 2, name="test", max_batch=1, capacity=8)
    answers = [submit(queue, n) for n in (1, 2)]
    assert busy.begun.acquire(timeout=SECONDS)
    assert other.begun.acquire(timeout=SECONDS)
    # Both of the busy one's threads come to run, and then rest before those of the other.
    answers += [submit(queue, n) for n in (3, 4)]
    assert busy.begun.acquire(timeout=SECONDS)
    assert other.begun.acquire(timeout=SECONDS)
    busy.go.release(2)
    while sum(answer.done() for answer in answers) < 2:
        Event().wait(0.001)
    Event().wait(0.05)
    other.go.release(2)
    for answer in answers:
        answer.result(SECONDS)
    Event().wait(0.05)
    for _ in range(4):
        both = [submit(queue, 5), submit(queue, 6)]
        assert busy.begun.acquire(timeout=SECONDS), "it had nothing to do"
        assert other.begun.acquire(timeout=SECONDS), "it had nothing to do"
        busy.go.release()
        other.go.release()
        for answer in both:
            answer.result(SECONDS)
        Event().wait(0.01)
    queue.close()


def test_several_sessions_run_at_once() -> None:
    runners = [Doubler(gated=True), Doubler(gated=True)]
    queue = BatchQueue(runners, name="test", max_batch=4, capacity=8)
    answers = [submit(queue, 1), submit(queue, 2)]
    assert all(runner.begun.acquire(timeout=SECONDS) for runner in runners)
    for runner in runners:
        runner.go.release()
    assert [a.result(SECONDS).outputs["y"].tolist() for a in answers] == [[2], [4]]
    queue.close()


def test_sessions_share_what_waits_with_those_that_are_busy() -> None:
    runners = [Doubler(gated=True), Doubler(gated=True)]
    queue = BatchQueue(runners, name="test", max_batch=4, capacity=8)
    running = [submit(queue, 1), submit(queue, 2)]
    assert all(runner.begun.acquire(timeout=SECONDS) for runner in runners)
    waiting = [submit(queue, number) for number in (3, 4, 5)]
    for runner in runners:
        runner.go.release(4)
    answers = [each.result(SECONDS).outputs["y"].item() for each in running + waiting]
    assert answers == [2, 4, 6, 8, 10]
    batches = [batch for runner in runners for batch in runner.batches]
    assert [3, 4] in batches, "a half of the three, rounded up"
    assert [5] in batches
    queue.close()


def test_a_session_in_reserve_takes_work_of_a_crowd_alone(runner: Doubler) -> None:
    reserve = Doubler(gated=True)
    queue = BatchQueue([runner], name="test", max_batch=1, capacity=8, reserve=[reserve])
    running = submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    waiting = [submit(queue, 1)]
    assert not reserve.begun.acquire(timeout=0.1), "one waits, and there is one session"
    waiting.append(submit(queue, 2))
    assert reserve.begun.acquire(timeout=SECONDS)
    assert reserve.batches == [[1]]
    reserve.go.release()
    assert waiting[0].result(SECONDS).outputs["y"].tolist() == [2]
    runner.go.release(2)
    assert [each.result(SECONDS).outputs["y"].item() for each in (running, waiting[1])] == [0, 4]
    assert runner.batches == [[0], [2]]
    queue.close()


def test_closing_a_queue_leaves_what_waits_to_the_sessions(runner: Doubler) -> None:
    reserve = Doubler(gated=True)
    queue = BatchQueue([runner], name="test", max_batch=1, capacity=8, reserve=[reserve])
    answers = [submit(queue, number) for number in range(6)]
    assert runner.begun.acquire(timeout=SECONDS)
    assert reserve.begun.acquire(timeout=SECONDS)
    for gated in (runner, reserve):
        gated.go.release(6)
    queue.close()
    assert [answer.result(0).outputs["y"].item() for answer in answers] == [0, 2, 4, 6, 8, 10]


def test_the_most_urgent_go_first(runner: Doubler, queue: BatchQueue) -> None:
    now = time.perf_counter()
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    explain = submit(queue, 1, 1, demand=Demand(Priority.EXPLAIN, now + 50))
    late = submit(queue, 2, 2, 2, demand=Demand(Priority.CLASSIFY, now + 100))
    soon = submit(queue, 3, 3, demand=Demand(Priority.CLASSIFY, now + 60))
    runner.go.release(4)
    for answer in (explain, late, soon):
        answer.result(SECONDS)
    assert runner.batches == [[0], [3, 3], [2, 2, 2], [1, 1]]


def test_what_is_too_late_or_abandoned_is_not_run(runner: Doubler, queue: BatchQueue) -> None:
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    late = submit(queue, 1, demand=Demand(deadline=time.perf_counter() + 0.01))
    left = Demand()
    abandoned, kept = submit(queue, 2, demand=left), submit(queue, 3)
    left.abandoned.set()
    Event().wait(0.02)
    runner.go.release(2)
    assert kept.result(SECONDS).outputs["y"].tolist() == [6]
    with pytest.raises(DeadlineExceeded):
        late.result(SECONDS)
    with pytest.raises(CancelledError):
        abandoned.result(SECONDS)
    assert runner.batches == [[0], [3]]
    assert queue.depth == 0


def test_what_is_too_late_hears_of_it_though_its_turn_never_comes(
    runner: Doubler, queue: BatchQueue
) -> None:
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    late = submit(queue, 1, demand=Demand(Priority.EXPLAIN, time.perf_counter() + 0.01))
    urgent = [submit(queue, 2, 2, 2, 2), submit(queue, 3)]
    Event().wait(0.02)
    runner.go.release()
    assert runner.begun.acquire(timeout=SECONDS)
    with pytest.raises(DeadlineExceeded):
        late.result(SECONDS)
    assert not any(answer.done() for answer in urgent)
    assert queue.depth == 5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_a_queue_in_the_background_runs_in_a_thread_that_gives_way() -> None:
    class Niceness:
        def run(self, _: Arrays, /) -> Arrays:
            return {"y": np.array([os.getpriority(os.PRIO_PROCESS, get_native_id())])}

    found = []
    for background in (False, True):
        queue = BatchQueue(
            [Niceness()], name="test", max_batch=1, capacity=1, background=background
        )
        found.append(submit(queue, 1).result(SECONDS).outputs["y"].item())
        queue.close()
    assert found[1] > found[0]


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
    queue = BatchQueue([runner], name="test", max_batch=1, capacity=8)
    answers = [submit(queue, n) for n in range(3)]
    runner.go.release(3)
    queue.close()
    assert [answer.result(0).outputs["y"].tolist() for answer in answers] == [[0], [2], [4]]
    with pytest.raises(NotReady):
        submit(queue, 1)
    assert queue.depth == 0


def test_the_time_is_that_of_running(runner: Doubler, queue: BatchQueue) -> None:
    pause = Event()
    submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    waiting = submit(queue, 1)
    pause.wait(0.5)
    runner.go.release()
    assert runner.begun.acquire(timeout=SECONDS)
    pause.wait(0.02)
    runner.go.release()
    answer = waiting.result(SECONDS)
    assert 0.02 <= answer.inference_seconds < 0.5


def test_inputs_are_made_when_their_turn_has_come(runner: Doubler) -> None:
    queue = BatchQueue([runner], name="one by one", max_batch=1, capacity=8)
    submit(queue, 1)
    assert runner.begun.acquire(timeout=SECONDS)
    threads: list[str] = []

    def make() -> Arrays:
        threads.append(current_thread().name)
        return {"x": np.array([2.0])}

    def fail() -> Arrays:
        raise CorruptImage("no photo")

    demand = Demand()
    made, failed = queue.submit_later(make, 1), queue.submit_later(fail, 1)
    useless = queue.submit_later(make, 1, demand)
    demand.abandoned.set()
    assert threads == []
    for _ in range(2):
        runner.go.release()
    with pytest.raises(CorruptImage, match="no photo"):
        failed.result(SECONDS)
    with pytest.raises(CancelledError):
        useless.result(SECONDS)
    assert made.result(SECONDS).outputs["y"].tolist() == [4]
    assert threads == ["one by one"]
    queue.close()
    assert queue.depth == 0


def test_inputs_that_cannot_be_made_fail_their_own_request_alone(
    runner: Doubler, queue: BatchQueue
) -> None:
    def fail() -> Arrays:
        raise CorruptImage("no photo")

    first = submit(queue, 0)
    assert runner.begun.acquire(timeout=SECONDS)
    before, failed, after = submit(queue, 1), queue.submit_later(fail, 1), submit(queue, 2)
    runner.go.release(2)
    with pytest.raises(CorruptImage, match="no photo"):
        failed.result(SECONDS)
    answers = [each.result(SECONDS).outputs["y"].tolist() for each in (first, before, after)]
    assert answers == [[0], [2], [4]]
    assert runner.batches == [[0], [1, 2]]
    assert queue.depth == 0


def test_each_batch_is_reported() -> None:
    reports: SimpleQueue[BatchReport] = SimpleQueue()
    queue = BatchQueue([Doubler()], name="test", max_batch=4, capacity=8, report=reports.put)
    submit(queue, 1, 2).result(SECONDS)
    queue.close()
    assert reports.get(timeout=SECONDS).rows == 2


def test_a_queue_can_be_used_as_a_runner() -> None:
    queue = BatchQueue([Doubler()], name="test", max_batch=4, capacity=8, background=True)
    assert queue.as_runner().run({"x": np.array([1.0, 2.0])})["y"].tolist() == [2, 4]
    queue.close()
