"""What waits for a session, the most urgent first."""

import heapq
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from itertools import count

from models.errors import DeadlineExceeded
from service.core.demand import Demand, Priority
from service.core.ports import Arrays


@dataclass(frozen=True)
class Answer:
    """What came out for one request, and how long its batch ran."""

    outputs: Arrays
    inference_seconds: float


@dataclass(frozen=True)
class Request:
    """Rows to be run together: `make` gives `rows` of each input, once their turn has come.

    `arrival` is on the clock of `time.perf_counter`.
    """

    make: Callable[[], Arrays]
    rows: int
    demand: Demand
    answer: Future[Answer] = field(default_factory=Future)
    arrival: float = field(default_factory=time.perf_counter)

    def begin(self) -> bool:
        """Whether the request is still of use; where it is not, its answer says why."""
        if not self.answer.set_running_or_notify_cancel():
            return False
        try:
            self.demand.check()
        except (CancelledError, DeadlineExceeded) as reason:
            self.answer.set_exception(reason)
            return False
        return True


_Waiting = tuple[float, int, Request]
"""A request behind what it is sorted by: its deadline, and when it came."""


class Line:
    """Requests by priority, then by deadline, then as they came; `rows` in all.

    Not for several threads.
    """

    def __init__(self) -> None:
        self._heaps: dict[Priority, list[_Waiting]] = {priority: [] for priority in Priority}
        self._arrivals = count()
        self.rows = 0

    def __len__(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._heaps.values()))

    @property
    def age(self) -> float:
        """The seconds that the longest waiting request has waited; 0 where none waits."""
        now = time.perf_counter()
        arrivals = (request.arrival for heap in self._heaps.values() for *_, request in heap)
        return now - min(arrivals, default=now)

    def push(self, request: Request) -> None:
        """Add a request."""
        self.rows += request.rows
        waiting = (request.demand.deadline, next(self._arrivals), request)
        heapq.heappush(self._heaps[request.demand.priority], waiting)

    def take(self, most_rows: int) -> tuple[list[Request], int]:
        """Remove the next batch, and what had become useless before it.

        A request of more than `most_rows` rows is a batch by itself.

        Returns:
            The batch, and the number of rows of useless requests.
        """
        batch: list[Request] = []
        rows, useless = 0, self._refuse_late()
        while (heap := self._foremost) and (not batch or rows + heap[0][2].rows <= most_rows):
            request = self._pop(heap)
            if request.begin():
                batch.append(request)
                rows += request.rows
            else:
                useless += request.rows
        return batch, useless

    @property
    def _foremost(self) -> list[_Waiting] | None:
        """The requests of the highest priority that any has."""
        return next((heap for heap in self._heaps.values() if heap), None)

    def _refuse_late(self) -> int:
        """Remove what is too late, for its turn may never come; its rows."""
        now, late = time.perf_counter(), 0
        for heap in self._heaps.values():
            while heap and heap[0][0] < now:
                request = self._pop(heap)
                request.begin()
                late += request.rows
        return late

    def _pop(self, heap: list[_Waiting]) -> Request:
        *_, request = heapq.heappop(heap)
        self.rows -= request.rows
        return request
