"""Calls in threads, in order, a bounded number ahead of what uses their results."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    function: Callable[[T], R], arguments: Iterable[T], *, threads: int, most: int
) -> Iterator[R]:
    """The function's results in order, computed in threads while the caller is busy.

    Args:
        function: called once for each argument.
        arguments: taken when there is room.
        threads: how many calls run at once.
        most: arguments and results held at a time.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for argument in arguments:
                if len(waiting) >= most:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, argument))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
