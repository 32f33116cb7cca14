"""Requests of many clients, gathered into batches for the sessions of one graph.

While the sessions run, the next batch gathers. An idle session starts at once: waiting for
company is only worth it while the device is busy.

A session in reserve starts only once so much waits that the wait, not its own time, is what a
request takes: it fills the moments in which the others cannot use their cores.

The sessions may be on several devices, one on each. A thread takes work when it is done with its
last; of those that rest, one whose session runs the least is called. So the least loaded device
gets the next batch, and one that is slower gets fewer.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from threading import Condition, Lock, Thread

from models.errors import NotReady
from service.core.admission import Backlog
from service.core.batch_limit import BatchLimit
from service.core.batch_run import BatchReport, BatchRun
from service.core.demand import Demand
from service.core.ports import Arrays, Runner
from service.core.session import Session
from service.core.waiting import Answer, Line, Request
from service.core.workers import yield_to_others


def _no_report(_: BatchReport) -> None:
    pass


class BatchQueue:
    """A bounded queue before one or several sessions, each emptying it in a thread of its own.

    Several threads may submit. `sessions` is how many run at once, without those in reserve.
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
            max_batch: most rows run at once; one request of more rows is run in pieces.
            capacity: most rows let in and not yet answered.
            reserve: sessions that take work only while more rows wait than there are `runners`.
            background: give way to the threads of queues that are not in the background.
            report: called after each batch, in an inference thread.
        """
        self._name = name
        self._background = background
        self._backlog = Backlog(name, capacity=capacity)
        self._line = Line()
        self._lock = Lock()
        self._crowded = Condition(self._lock)
        self._crowd = len(runners) + 1
        self._closed = False
        self._calls = count(1)
        self._sessions = {
            id(runner): Session(runner, BatchLimit(max_batch), Condition(self._lock))
            for runner in [*runners, *reserve]
        }
        self._run = BatchRun([*self._sessions.values()], self._backlog, report)
        work = [(self._sessions[id(runner)], self._next_batch) for runner in runners]
        work += [(self._sessions[id(runner)], self._next_batch_of_crowd) for runner in reserve]
        self.sessions = len(runners)
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
        with self._lock:
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
            Overloaded: the queue is full.
            NotReady: the queue is closed.
        """
        return self.submit_later(lambda: feeds, len(next(iter(feeds.values()))), demand)

    def submit_later(
        self, make: Callable[[], Arrays], rows: int, demand: Demand | None = None
    ) -> Future[Answer]:
        """Queue one request whose inputs are made by the inference thread, when it is run.

        What `make` raises fails the request alone.

        Args:
            make: gives the graph's inputs by name.
            rows: how many it will give of each.
            demand: as in `submit`.

        Returns:
            The answer to come, as from `submit`.

        Raises:
            InvalidRequest: there are more rows than the queue ever holds.
            Overloaded: the queue is full.
            NotReady: the queue is closed.
        """
        demand = demand or Demand()
        request = Request(make, rows, demand)
        # Whether there is time for a request was estimated at its door. Here its own images would
        # count as work that is before it, and so would work that gives way to it.
        self._backlog.enter(request.rows)
        with self._lock:
            if self._closed:
                self._backlog.leave(request.rows, done=False)
                raise NotReady(f"{self._name} is shutting down")
            self._line.push(request)
            self._call()
            if self._line.rows >= self._crowd:
                self._crowded.notify()
        return request.answer

    def as_runner(self, demand: Demand | None = None) -> Runner:
        """What runs graphs as a request with this demand does: through the queue."""
        return _Queued(self, demand)

    def close(self) -> None:
        """Refuse new requests, answer those let in, and end the threads."""
        with self._lock:
            self._closed = True
            for session in self._sessions.values():
                session.running += session.resting
                session.resting = 0
                session.work.notify_all()
            self._crowded.notify_all()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        """Call a thread of the least loaded session, if any rests; of equals, in turns."""
        resting = [session for session in self._sessions.values() if session.resting]
        if resting:
            least = min(resting, key=lambda session: (session.running, session.called))
            least.resting -= 1
            least.running += 1
            least.called = next(self._calls)
            least.work.notify()

    def _work(self, session: Session, next_batch: Callable[[Session], Sequence[Request]]) -> None:
        if self._background:
            yield_to_others()
        while batch := next_batch(session):
            self._run.answer(session, batch)
            with self._lock:
                session.running -= 1

    def _next_batch(self, session: Session) -> Sequence[Request]:
        """Wait for requests and take as many as fit; none means that the queue is closed."""
        batch: Sequence[Request] = []
        with self._lock:
            while not batch:
                while not self._line and not self._closed:
                    session.resting += 1
                    session.work.wait()
                    session.running -= 1  # it was called, and may find that another was quicker
                if not self._line:
                    break
                batch = self._take(session)
        return batch

    def _next_batch_of_crowd(self, session: Session) -> Sequence[Request]:
        """The same, but only of a crowd; what is left when the queue is closed is not one's own."""
        batch: Sequence[Request] = []
        with self._lock:
            while not batch:
                self._crowded.wait_for(lambda: self._closed or self._line.rows >= self._crowd)
                if self._closed:
                    break
                batch = self._take(session)
        return batch

    def _take(self, session: Session) -> Sequence[Request]:
        # The sessions share what waits: of two requests, one is done sooner by the next that
        # becomes idle than in a batch with the other.
        share = math.ceil(self._line.rows / self.sessions)
        batch, useless = self._line.take(min(share, session.limit.rows))
        self._backlog.leave(useless, done=False)
        session.running += bool(batch)
        return batch


@dataclass(frozen=True)
class _Queued:
    queue: BatchQueue
    demand: Demand | None

    def run(self, feeds: Arrays, /) -> Arrays:
        return self.queue.submit(feeds, self.demand).result().outputs
