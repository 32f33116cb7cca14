"""How urgent a piece of work is, and whether anybody still wants it."""

import math
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from enum import IntEnum
from threading import Event

from models.errors import DeadlineExceeded


class Priority(IntEnum):
    """What comes first where several wait; the least first."""

    CLASSIFY = 0
    EXPLAIN = 1
    ROBUSTNESS = 2


@dataclass(frozen=True)
class Demand:
    """What a request wants of each stage that it passes.

    Attributes:
        priority: the more urgent kind of work goes first, whatever the deadlines.
        deadline: when the answer is worth nothing any more, on the clock of
            `time.perf_counter`, which no change of the system's time moves.
        abandoned: set once nobody waits for the answer.
    """

    priority: Priority = Priority.CLASSIFY
    deadline: float = math.inf
    abandoned: Event = field(default_factory=Event)

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - time.perf_counter()

    def check(self) -> None:
        """Called before each stage, so that none is spent on what is of no use.

        Raises:
            DeadlineExceeded: it is too late.
            CancelledError: nobody waits for the answer.
        """
        if self.abandoned.is_set():
            raise CancelledError
        if self.remaining < 0:
            raise DeadlineExceeded("the answer was not ready within the request's timeout_ms")
