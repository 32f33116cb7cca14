"""How much work is let in, and when those who are turned away should come back."""

from threading import Lock

from models.errors import InvalidRequest, Overloaded

_SMOOTHING = 0.1


class Backlog:
    """Counts the work that was let in and is not yet done; refuses what is too much.

    Safe to use from several threads. The time to come back is what the work now inside
    takes at the pace at which work was lately done.
    """

    def __init__(self, name: str, *, capacity: int, workers: int = 1) -> None:
        self._name = name
        self._capacity = capacity
        self._workers = workers
        self._lock = Lock()
        self._inside = 0
        self._seconds_each: float | None = None

    @property
    def inside(self) -> int:
        """The number of pieces of work let in and not yet done."""
        return self._inside

    def enter(self, pieces: int = 1) -> None:
        """Let some work in.

        Raises:
            InvalidRequest: there are more pieces than the capacity, so waiting is no use.
            Overloaded: with it, there would be more than the capacity inside.
        """
        if pieces > self._capacity:
            raise InvalidRequest(
                f"{self._name}: {pieces} at once are more than the {self._capacity} allowed"
            )
        with self._lock:
            if self._inside + pieces > self._capacity:
                raise Overloaded(
                    f"{self._name}: {self._inside} of at most {self._capacity} are waiting",
                    retry_after=(self._seconds_each or 0.0) * self._inside / self._workers,
                )
            self._inside += pieces

    def leave(self, pieces: int = 1, *, seconds: float | None = None) -> None:
        """Work is done; `seconds` is how long a worker was busy with it, None if it never was."""
        with self._lock:
            self._inside -= pieces
            if seconds is None:
                return
            each = seconds / pieces
            if self._seconds_each is None:
                self._seconds_each = each
            else:
                self._seconds_each += _SMOOTHING * (each - self._seconds_each)
