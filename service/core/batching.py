"""Requests of many clients, gathered into batches for one session.

While the session runs a batch, the next one gathers. An idle session starts at once:
waiting for company is only worth it while the device is busy.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread

import numpy as np

from models.errors import NotReady
from service.core.admission import Backlog
from service.core.ports import Arrays, Runner
from service.core.workers import yield_to_others


@dataclass(frozen=True)
class Answer:
    """What came out for one request, and how long it took."""

    outputs: Arrays
    queue_seconds: float
    inference_seconds: float


@dataclass(frozen=True)
class BatchReport:
    """One batch, as it is reported to whoever keeps count."""

    rows: int
    seconds: float


@dataclass(frozen=True)
class _Request:
    feeds: Arrays
    rows: int
    arrived: float
    answer: Future[Answer]


def _no_report(_: BatchReport) -> None:
    pass


class BatchQueue:
    """A bounded queue before one `Runner`, emptied in batches by one thread.

    Several threads may submit. `run` makes the queue itself a `Runner`.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        name: str,
        max_batch: int,
        capacity: int,
        background: bool = False,
        report: Callable[[BatchReport], None] = _no_report,
    ) -> None:
        """Start the inference thread.

        Args:
            runner: what runs a batch.
            name: of the queue and its thread, for messages.
            max_batch: most rows run at once; one request of more rows is run by itself.
            capacity: most rows let in and not yet answered.
            background: give way to the threads of queues that are not in the background.
            report: called after each batch, in the inference thread.
        """
        self._runner = runner
        self._name = name
        self._max_batch = max_batch
        self._background = background
        self._report = report
        self._backlog = Backlog(name, capacity=capacity)
        self._waiting: deque[_Request] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """The number of rows let in and not yet answered."""
        return self._backlog.inside

    def submit(self, feeds: Arrays) -> Future[Answer]:
        """Queue one request.

        Args:
            feeds: the graph's inputs by name; all have the same number of rows (first
                dimension). They are not to be changed before the answer is there.

        Returns:
            The answer to come. A cancelled one costs nothing if its batch has not begun.

        Raises:
            InvalidRequest: there are more rows than the queue ever holds.
            Overloaded: the queue is full.
            NotReady: the queue is closed.
        """
        rows = len(next(iter(feeds.values())))
        request = _Request(feeds, rows, time.perf_counter(), Future())
        self._backlog.enter(rows)
        with self._changed:
            if self._closed:
                self._backlog.leave(rows)
                raise NotReady(f"{self._name} is shutting down")
            self._waiting.append(request)
            self._changed.notify()
        return request.answer

    def run(self, feeds: Arrays, /) -> Arrays:
        """Queue one request and wait for its outputs; see `Runner` and `submit`."""
        return self.submit(feeds).result().outputs

    def close(self) -> None:
        """Refuse new requests, answer those let in, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        if self._background:
            yield_to_others()
        while batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[_Request]:
        """Wait for requests and take as many as fit; none means that the queue is closed."""
        batch: list[_Request] = []
        rows = 0
        with self._changed:
            while not batch:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    break
                while self._waiting and (
                    not batch or rows + self._waiting[0].rows <= self._max_batch
                ):
                    request = self._waiting.popleft()
                    if request.answer.set_running_or_notify_cancel():
                        batch.append(request)
                        rows += request.rows
                    else:
                        self._backlog.leave(request.rows)
        return batch

    def _answer(self, batch: Sequence[_Request]) -> None:
        """Run a batch; whatever goes wrong concerns its requests and no other."""
        started = time.perf_counter()
        rows = sum(request.rows for request in batch)
        try:
            outputs = self._runner.run(_join(batch))
        except Exception as error:  # noqa: BLE001  # the requests get it, the thread lives on
            self._backlog.leave(rows, seconds=time.perf_counter() - started)
            for request in batch:
                request.answer.set_exception(error)
            return
        seconds = time.perf_counter() - started
        self._backlog.leave(rows, seconds=seconds)
        first = 0
        for request in batch:
            own = slice(first, first + request.rows)
            first = own.stop
            request.answer.set_result(
                Answer(
                    outputs={name: output[own] for name, output in outputs.items()},
                    queue_seconds=started - request.arrived,
                    inference_seconds=seconds,
                )
            )
        self._report(BatchReport(rows, seconds))


def _join(batch: Sequence[_Request]) -> Arrays:
    if len(batch) == 1:
        return batch[0].feeds
    return {
        name: np.concatenate([request.feeds[name] for request in batch]) for name in batch[0].feeds
    }
