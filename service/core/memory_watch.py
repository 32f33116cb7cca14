"""Idle models are given up while the process has more memory than it may."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from models.bundle import Bundle

logger = logging.getLogger(__name__)

# What requests need in the moment comes and goes: not every crossing is worth a warning.
_CALM = 0.9


class MemoryWatch:
    """Looks at the process's memory from time to time, in a thread of its own.

    A model's memory cannot be told apart from the rest, and grows with the batches that it
    runs. So what is measured is the whole process, again and again.
    """

    def __init__(
        self,
        limit: int,
        *,
        resident: Callable[[], int],
        give_up: Callable[[], Bundle | None],
        seconds: float = 1.0,
    ) -> None:
        """Start to look.

        Args:
            limit: the most memory, in bytes.
            resident: what the process has now, in bytes.
            give_up: gives a model up and says which; None where none can be.
            seconds: between two looks.
        """
        self._limit = limit
        self._resident = resident
        self._give_up = give_up
        self._warned = False
        self._stop = Event()
        self._thread = Thread(target=self._look, args=(seconds,), name="memory", daemon=True)
        self._thread.start()

    def relieve(self) -> None:
        """Give models up until the memory is within the limit, or none is left to give up."""
        while (resident := self._resident()) > self._limit:
            given_up = self._give_up()
            if given_up is None:
                self._warn(resident)
                return
            logger.info("gave %s up: %d of %d bytes in use", given_up, resident, self._limit)
        if resident < _CALM * self._limit:
            self._warned = False

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _look(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self.relieve()

    def _warn(self, resident: int) -> None:
        if not self._warned:
            logger.warning(
                "%d of %d bytes in use, and no model is idle that could be given up",
                resident,
                self._limit,
            )
        self._warned = True
