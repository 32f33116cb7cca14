"""A pool of threads with a bounded backlog."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from models.errors import NotReady
from service.core.admission import Backlog
from service.core.demand import Demand

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_BACKGROUND_NICENESS = 10
_MOST_NICE = 19


class Room:
    """A place in a pool, taken for a task of several calls; none of them is refused."""

    def __init__(self, name: str, executor: ThreadPoolExecutor) -> None:
        self._name = name
        self._executor = executor
        self.begun = False  # whether a thread has taken up one of the calls

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the function called in a thread.

        Raises:
            NotReady: the pool is closed.
        """

        def call() -> T:
            self.begun = True
            return function(*args, **kwargs)

        try:
            return self._executor.submit(call)
        except RuntimeError as error:
            raise NotReady(f"{self._name} is shutting down") from error


class WorkerPool:
    """Runs functions in `threads` threads, for at most `capacity` tasks, running or waiting."""

    def __init__(self, name: str, *, threads: int, capacity: int, background: bool = False) -> None:
        """Prepare the pool; `background` threads give way to the others."""
        self.threads = threads
        self._name = name
        self._backlog = Backlog(name, capacity=capacity, workers=threads)
        self._executor = ThreadPoolExecutor(
            threads,
            thread_name_prefix=name,
            initializer=yield_to_others if background else None,
        )

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the function called in a thread: a task of one call.

        Raises:
            Overloaded: too many tasks are running or waiting.
            NotReady: the pool is closed.
        """
        self._backlog.enter()
        room = Room(self._name, self._executor)

        def leave(_: Future[T]) -> None:
            self._backlog.leave(done=room.begun)

        try:
            future = room.submit(function, *args, **kwargs)
        except NotReady:
            self._backlog.leave(done=False)
            raise
        future.add_done_callback(leave)
        return future

    @contextmanager
    def reserve(self, tasks: int, demand: Demand | None = None) -> Iterator[Room]:
        """Hold room for some tasks until their last call is done, in this pool or elsewhere.

        Raises:
            InvalidRequest: there are more tasks than the capacity.
            Overloaded: too many tasks are running or waiting, or will be for longer than the
                demand can wait.
        """
        self._backlog.enter(tasks, demand)
        room = Room(self._name, self._executor)
        try:
            yield room
        finally:
            self._backlog.leave(tasks, done=room.begun)

    def close(self) -> None:
        """Finish all calls that were made, then end the threads."""
        self._executor.shutdown(wait=True)


def yield_to_others() -> None:
    """Make the calling thread, and those it will start, give way to the other threads.

    It lets explanations use the cores that classification leaves idle. Only Linux has a
    priority for each thread; elsewhere nothing changes. Where a sandbox forbids it, a warning
    says so: an answer matters more than its priority.
    """
    if sys.platform != "linux":
        return
    # Above the process's own niceness: to go below a niceness takes a privilege.
    niceness = os.getpriority(os.PRIO_PROCESS, os.getpid()) + _BACKGROUND_NICENESS
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(niceness, _MOST_NICE))
    except OSError as error:
        logger.warning("a background thread keeps its priority: %s", error)
