"""A session as a queue before several uses it: how busy it is, and how much it can run at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Condition

import numpy as np

from models.errors import OutOfMemory
from service.core.batch_limit import BatchLimit
from service.core.ports import Arrays, Runner


@dataclass
class Session:
    """One session: what its device has the memory for, another may not.

    Its `limit` is safe to use from several threads; the rest is the queue's to change. `resting`
    of its threads wait to be called by `work`, `running` have a batch or were called; of all
    calls of the queue, the last of its own was number `called`.
    """

    runner: Runner
    limit: BatchLimit
    work: Condition
    resting: int = 0
    running: int = 0
    called: int = 0

    def run(self, feeds: Arrays) -> Arrays:
        """Run rows, no more at once than the device lately had the memory for."""
        rows, most = len(next(iter(feeds.values()))), self.limit.rows
        try:
            outputs = [
                self.runner.run({name: feed[first : first + most] for name, feed in feeds.items()})
                for first in range(0, rows, most)
            ]
        except OutOfMemory:
            self.limit.out_of_memory(min(rows, most))
            raise
        self.limit.succeeded()
        return joined(outputs)


def joined(parts: Sequence[Arrays]) -> Arrays:
    """The rows of several inputs or outputs, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
