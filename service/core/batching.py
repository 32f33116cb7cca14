"""Requests of many clients, gathered into batches for the sessions of one graph.

While the sessions run, the next batch gathers. An idle session starts at once: waiting for
company is only worth it while the device is busy.

A session in reserve starts only once so much waits that the wait, not its own time, is what a
request takes: it fills the moments in which the others cannot use their cores.

The sessions may be on several devices. Each takes work when it is done with its last, so the
least loaded device gets the next batch, and one that is slower gets fewer.
"""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Lock, Thread

import numpy as np

from models.errors import NotReady, OutOfMemory
from service.core.admission import Backlog
from service.core.batch_limit import BatchLimit
from service.core.demand import Demand
from service.core.ports import Arrays, Runner
from service.core.waiting import Answer, Line, Request
from service.core.workers import yield_to_others


@dataclass(frozen=True)
class BatchReport:
    """One batch, as it is reported to whoever keeps count.

    `limit` is the most rows that are run at once from now on.
    """

    rows: int
    seconds: float
    limit: int
    out_of_memory: bool = False


def _no_report(_: BatchReport) -> None:
    pass


class BatchQueue:
    """A bounded queue before one or several sessions, each emptying it in a thread of its own.

    Several threads may submit.
    """

    def __init__(
        self,
        runners: Sequence[Runner],
        *,
        name: str,
        max_batch: int,
        capacity: int,
        reserve: Sequence[Runner] = (),
        background: bool = False,
        report: Callable[[BatchReport], None] = _no_report,
    ) -> None:
        """Start the inference threads.

        Args:
            runners: the sessions; each runs one batch at a time. One session that may be
                used from several threads can stand here several times.
            name: of the queue and its threads, for messages.
            max_batch: most rows run at once; one request of more rows is run by itself.
            capacity: most rows let in and not yet answered.
            reserve: sessions that take work only while more rows wait than there are `runners`.
            background: give way to the threads of queues that are not in the background.
            report: called after each batch, in an inference thread.
        """
        self._name = name
        self._background = background
        self._report = report
        self._limit = BatchLimit(max_batch)
        self._backlog = Backlog(name, capacity=capacity)
        self._line = Line()
        lock = Lock()
        self._changed, self._crowded = Condition(lock), Condition(lock)
        self._crowd = len(runners) + 1
        self._closed = False
        self._idle = 0
        work = [(runner, self._next_batch) for runner in runners]
        work += [(runner, self._next_batch_of_crowd) for runner in reserve]
        self._threads = [
            Thread(target=self._work, args=each, name=name, daemon=True) for each in work
        ]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """The number of rows let in and not yet answered."""
        return self._backlog.inside

    @property
    def age(self) -> float:
        """The seconds that the longest waiting request has waited; 0 where none waits."""
        with self._changed:
            return self._line.age

    def submit(self, feeds: Arrays, demand: Demand | None = None) -> Future[Answer]:
        """Queue one request.

        Args:
            feeds: the graph's inputs by name; all have the same number of rows (first
                dimension). They are not to be changed before the answer is there.
            demand: how urgent it is; the most urgent kind without a deadline if left out.

        Returns:
            The answer to come. A cancelled or abandoned one costs nothing if its batch has
            not begun; neither does one whose deadline is over, which is `DeadlineExceeded`.

        Raises:
            InvalidRequest: there are more rows than the queue ever holds.
            Overloaded: the queue is full, or will not come to the request in time.
            NotReady: the queue is closed.
        """
        return self.submit_later(lambda: feeds, len(next(iter(feeds.values()))), demand)

    def submit_later(
        self, make: Callable[[], Arrays], rows: int, demand: Demand | None = None
    ) -> Future[Answer]:
        """Queue one request whose inputs are made by the inference thread, when it is run.

        What `make` raises fails the request, and with it its batch: for batches of one.

        Args:
            make: gives the graph's inputs by name.
            rows: how many it will give of each.
            demand: as in `submit`.

        Returns:
            The answer to come, as from `submit`.

        Raises:
            InvalidRequest: there are more rows than the queue ever holds.
            Overloaded: the queue is full, or will not come to the request in time.
            NotReady: the queue is closed.
        """
        demand = demand or Demand()
        request = Request(make, rows, demand)
        self._backlog.enter(request.rows, demand)
        with self._changed:
            if self._closed:
                self._backlog.leave(request.rows, done=False)
                raise NotReady(f"{self._name} is shutting down")
            self._line.push(request)
            self._changed.notify()
            if self._line.rows >= self._crowd:
                self._crowded.notify()
        return request.answer

    def as_runner(self, demand: Demand | None = None) -> Runner:
        """What runs graphs as a request with this demand does: through the queue."""
        return _Queued(self, demand)

    def close(self) -> None:
        """Refuse new requests, answer those let in, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._crowded.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self, runner: Runner, next_batch: Callable[[], list[Request]]) -> None:
        if self._background:
            yield_to_others()
        while batch := next_batch():
            self._answer(runner, batch)

    def _next_batch(self) -> list[Request]:
        """Wait for requests and take as many as fit; none means that the queue is closed."""
        batch: list[Request] = []
        with self._changed:
            self._idle += 1
            while not batch:
                while not self._line and not self._closed:
                    self._changed.wait()
                if not self._line:
                    break
                # Idle sessions share what waits: one is not to take all while another rests.
                share = math.ceil(self._line.rows / self._idle)
                batch, useless = self._line.take(min(share, self._limit.rows))
                self._backlog.leave(useless, done=False)
            self._idle -= 1
        return batch

    def _next_batch_of_crowd(self) -> list[Request]:
        """The same, but only of a crowd; what is left when the queue is closed is not one's own."""
        batch: list[Request] = []
        with self._crowded:
            while not batch:
                self._crowded.wait_for(lambda: self._closed or self._line.rows >= self._crowd)
                if self._closed:
                    break
                batch, useless = self._line.take(self._limit.rows)
                self._backlog.leave(useless, done=False)
        return batch

    def _answer(self, runner: Runner, batch: Sequence[Request]) -> None:
        """Run a batch; what goes wrong concerns its requests and no other.

        A batch that fails is run once more in two halves: one request that cannot be run
        does not fail all others, and what needs too much memory may fit.
        """
        failure = self._attempt(runner, batch)
        if failure is None:
            return
        halves = [batch[: len(batch) // 2], batch[len(batch) // 2 :]] if len(batch) > 1 else []
        for half in halves:
            if failed := self._attempt(runner, half):
                self._fail(half, failed)
        if not halves:
            self._fail(batch, failure)

    def _attempt(self, runner: Runner, batch: Sequence[Request]) -> Exception | None:
        """Run a batch and answer its requests; or return what went wrong."""
        started = time.perf_counter()
        rows = sum(request.rows for request in batch)
        try:
            feeds = _join([request.make() for request in batch])
            started = time.perf_counter()
            outputs = runner.run(feeds)
        except Exception as error:  # noqa: BLE001  # the requests get it, the thread lives on
            if isinstance(error, OutOfMemory):
                self._limit.out_of_memory(rows)
                seconds = time.perf_counter() - started
                self._report(BatchReport(rows, seconds, self._limit.rows, out_of_memory=True))
            return error
        seconds = time.perf_counter() - started
        self._backlog.leave(rows)
        self._limit.succeeded()
        first = 0
        for request in batch:
            own = slice(first, first + request.rows)
            first = own.stop
            request.answer.set_result(
                Answer(
                    outputs={name: output[own] for name, output in outputs.items()},
                    inference_seconds=seconds,
                )
            )
        self._report(BatchReport(rows, seconds, self._limit.rows))
        return None

    def _fail(self, batch: Sequence[Request], error: Exception) -> None:
        self._backlog.leave(sum(request.rows for request in batch))
        for request in batch:
            request.answer.set_exception(error)


@dataclass(frozen=True)
class _Queued:
    queue: BatchQueue
    demand: Demand | None

    def run(self, feeds: Arrays, /) -> Arrays:
        return self.queue.submit(feeds, self.demand).result().outputs


def _join(feeds: Sequence[Arrays]) -> Arrays:
    if len(feeds) == 1:
        return feeds[0]
    return {name: np.concatenate([each[name] for each in feeds]) for name in feeds[0]}
