"""Threads that decode photos where sessions do not; the most urgent photo goes first."""

from service.core.batching import BatchQueue
from service.core.ports import Arrays


class _AsTheyAre:
    def run(self, feeds: Arrays, /) -> Arrays:
        return feeds


def decoders(*, threads: int, capacity: int) -> BatchQueue:
    """A queue that answers a request with its own inputs; to make them is to decode.

    Args:
        threads: photos decoded at once.
        capacity: most photos let in and not yet decoded.
    """
    return BatchQueue([_AsTheyAre()] * threads, name="decoding", max_batch=1, capacity=capacity)
