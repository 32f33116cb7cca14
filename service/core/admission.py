"""How much work is let in, and when those who are turned away should come back."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from models.errors import InvalidRequest, Overloaded
from service.core.demand import Demand

# Of the time that work can wait, how much it may be expected to: the pace varies, and to be
# let in and then come too late serves nobody.
_EXPECTED_SHARE = 0.8

# Of the weight of the pace so far, what one more piece of work takes over.
_SMOOTHING = 0.05


class Backlog:
    """Counts the work that was let in and is not yet done; refuses what is too much.

    Too much is more than the capacity, and what would wait longer than it can: the wait is
    estimated from the pace at which work lately left, and so is the time to come back.
    Safe to use from several threads.
    """

    def __init__(
        self,
        name: str,
        *,
        capacity: int,
        workers: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Prepare to count.

        Args:
            name: of the work, for messages.
            capacity: most pieces inside.
            workers: pieces that are worked on at once; none waits while there are fewer.
            clock: tells the seconds.
        """
        self._name = name
        self._workers = workers
        self._capacity = capacity
        self._clock = clock
        self._lock = Lock()
        self._inside = 0
        self._seconds_each = 0.0
        self._paced_from = 0.0

    @property
    def inside(self) -> int:
        """The number of pieces of work let in and not yet done."""
        return self._inside

    def enter(self, pieces: int = 1, demand: Demand | None = None) -> None:
        """Let some work in.

        Raises:
            InvalidRequest: there are more pieces than the capacity, so waiting is no use.
            Overloaded: with it, there would be more than the capacity inside; or what is
                inside will not be done before the demand's deadline.
        """
        if pieces > self._capacity:
            raise InvalidRequest(
                f"{self._name}: {pieces} at once are more than the {self._capacity} allowed"
            )
        with self._lock:
            self._check(pieces, demand)
            if not self._inside:
                self._paced_from = self._clock()
            self._inside += pieces

    def expect(self, demand: Demand) -> None:
        """Whether one piece of work would be let in now.

        Raises:
            Overloaded: as `enter` would.
        """
        with self._lock:
            self._check(1, demand)

    def leave(self, pieces: int = 1, *, done: bool = True) -> None:
        """Work is over; what was given up before it was begun is not `done`."""
        with self._lock:
            self._inside -= pieces
            if not done:
                return
            now = self._clock()
            each = (now - self._paced_from) / pieces
            self._paced_from = now
            if not self._seconds_each:
                self._seconds_each = each
            else:
                weight = 1 - (1 - _SMOOTHING) ** pieces
                self._seconds_each += weight * (each - self._seconds_each)

    def _check(self, pieces: int, demand: Demand | None) -> None:
        waiting = max(0, self._inside + 1 - self._workers)
        wait = waiting * self._seconds_each
        if self._inside + pieces > self._capacity:
            raise Overloaded(
                f"{self._name}: {self._inside} of at most {self._capacity} are waiting",
                retry_after=wait,
            )
        # Where nothing waits there is not too much to do, however little time is left.
        if demand is None or not waiting:
            return
        longest = _EXPECTED_SHARE * (demand.deadline - self._clock())
        if wait > longest:
            raise Overloaded(
                f"{self._name}: {self._inside} are waiting, {wait:.1f} s of work",
                retry_after=wait - longest,
            )

    @contextmanager
    def hold(self, pieces: int, demand: Demand) -> Iterator[Callable[[], None]]:
        """Hold room for some work while it is done; see `enter`.

        What is yielded has to be called whenever a piece is done; the others were given up.
        """
        self.enter(pieces, demand)
        held = pieces

        def done() -> None:
            nonlocal held
            held -= 1
            self.leave()

        try:
            yield done
        finally:
            self.leave(held, done=False)
