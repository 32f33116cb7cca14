"""The largest batch that the device has the memory for, as experience shows it."""

from threading import Lock

# So many batches have to succeed before a larger one is tried again.
_PATIENCE = 256


class BatchLimit:
    """At most `largest` rows; halved where memory runs out, doubled after a quiet while.

    Safe to use from several threads.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._lock = Lock()
        self._rows = largest
        self._successes = 0

    @property
    def rows(self) -> int:
        """Most rows to run at once now."""
        return self._rows

    def out_of_memory(self, rows: int) -> None:
        """A batch of so many rows did not fit."""
        with self._lock:
            self._rows = max(1, min(self._rows, rows // 2))
            self._successes = 0

    def succeeded(self) -> None:
        """A batch was run."""
        with self._lock:
            if self._rows == self._largest:
                return
            self._successes += 1
            if self._successes == _PATIENCE:
                self._rows = min(self._largest, 2 * self._rows)
                self._successes = 0
