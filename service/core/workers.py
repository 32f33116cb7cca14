"""A pool of threads with a bounded backlog."""

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from models.errors import NotReady
from service.core.admission import Backlog

P = ParamSpec("P")
T = TypeVar("T")

_BACKGROUND_NICENESS = 10


class WorkerPool:
    """Runs functions in `threads` threads, at most `capacity` of them running or waiting."""

    def __init__(self, name: str, *, threads: int, capacity: int, background: bool = False) -> None:
        """Prepare the pool; `background` threads give way to the others."""
        self._name = name
        self._backlog = Backlog(name, capacity=capacity, workers=threads)
        self._executor = ThreadPoolExecutor(
            threads,
            thread_name_prefix=name,
            initializer=yield_to_others if background else None,
        )

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the function called in a thread.

        Raises:
            Overloaded: too many calls are running or waiting.
            NotReady: the pool is closed.
        """
        self._backlog.enter()
        started: list[float] = []

        def call() -> T:
            started.append(time.perf_counter())
            return function(*args, **kwargs)

        def leave(_: Future[T]) -> None:
            seconds = time.perf_counter() - started[0] if started else None
            self._backlog.leave(seconds=seconds)

        try:
            future = self._executor.submit(call)
        except RuntimeError as error:
            self._backlog.leave()
            raise NotReady(f"{self._name} is shutting down") from error
        future.add_done_callback(leave)
        return future

    def close(self) -> None:
        """Finish all calls that were let in, then end the threads."""
        self._executor.shutdown(wait=True)


def yield_to_others() -> None:
    """Make the calling thread, and those it will start, give way to the other threads.

    It lets explanations use the cores that classification leaves idle. Only Linux has a
    priority for each thread; elsewhere nothing changes.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BACKGROUND_NICENESS)
