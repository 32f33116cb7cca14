"""What waits for a session, the most urgent first."""

import heapq
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from itertools import count

from models.errors import DeadlineExceeded
from service.core.demand import Demand
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


class Line:
    """Requests by priority, then by deadline, then as they came; `rows` in all.

    Not for several threads.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Demand, int, Request]] = []
        self._arrivals = count()
        self.rows = 0

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._heap)

    @property
    def age(self) -> float:
        """The seconds that the longest waiting request has waited; 0 where none waits."""
        now = time.perf_counter()
        return max((now - request.arrival for *_, request in self._heap), default=0.0)

    def push(self, request: Request) -> None:
        """Add a request."""
        self.rows += request.rows
        heapq.heappush(self._heap, (request.demand, next(self._arrivals), request))

    def take(self, most_rows: int) -> tuple[list[Request], int]:
        """Remove the next batch, and what had become useless before it.

        A request of more than `most_rows` rows is a batch by itself.

        Returns:
            The batch, and the number of rows of useless requests.
        """
        batch: list[Request] = []
        rows = useless = 0
        while self._heap and (not batch or rows + self._heap[0][2].rows <= most_rows):
            *_, request = heapq.heappop(self._heap)
            self.rows -= request.rows
            if request.begin():
                batch.append(request)
                rows += request.rows
            else:
                useless += request.rows
        return batch, useless
