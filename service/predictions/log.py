"""Writing the prediction log beside the requests: none waits for the disk, or fails with it."""

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from typing import TypeVar

from models.errors import NotReady
from service.predictions.store import Answered, Store

logger = logging.getLogger(__name__)

T = TypeVar("T")

GATHER_SECONDS = 1.0
"""How long answers may be gathered into one transaction, which costs as much as six of them."""
RETRY_SECONDS = 10.0
"""How long a disk that refused is left alone."""
FORGET_SECONDS = 60.0
"""How often old answers are removed."""
WAITING = 1024
WAITING_BYTES = 64 * 2**20
"""Most answers that wait to be written, and most bytes of their images."""


@dataclass(frozen=True)
class Retention:
    """How long answers are kept, in seconds, and how many bytes they may fill."""

    seconds: float
    most_bytes: int


@dataclass(frozen=True)
class LogState:
    """What became of the answers; `failure` says why none is written now, if none is."""

    written: int
    lost: int
    failure: str | None


class PredictionLog:
    """A log that is written by a thread of its own. Safe to use from several threads."""

    def __init__(self, path: Path, retention: Retention, *, keep_images: bool) -> None:
        """Begin to write; a file that cannot be opened is a failure of the log alone."""
        self.path = path
        self._retention = retention
        self._keep_images = keep_images
        self._changed = Condition()
        self._answers: deque[Answered] = deque()
        self._bytes = 0
        self._questions: deque[Callable[[Store | None], None]] = deque()
        self._closed = False
        self._written = 0
        self._lost = 0
        self._failure: str | None = None
        self._store: Store | None = None
        self._retry_at = self._forget_at = time.monotonic()
        self._thread = Thread(target=self._work, name="prediction log", daemon=True)
        self._thread.start()

    @property
    def state(self) -> LogState:
        """How it is doing."""
        with self._changed:
            return LogState(self._written, self._lost, self._failure)

    def record(self, answered: Answered) -> None:
        """Have an answer written soon; takes no time, and counts it as lost if too many wait."""
        with self._changed:
            full = len(self._answers) >= WAITING or self._bytes > WAITING_BYTES
            if full or self._closed:
                self._lost += 1
                return
            self._answers.append(answered)
            self._bytes += len(answered.image)
            if len(self._answers) == 1 or self._hurries():
                self._changed.notify()

    def ask(self, question: Callable[[Store], T]) -> "Future[T]":
        """Have something done to the file, after the answers that were recorded so far.

        The future raises `NotReady` where the log is not being written, and what `question`
        raises.
        """
        future: Future[T] = Future()

        def put(store: Store | None) -> None:
            # Who asked may have been called off, as requests are by a shutdown.
            if not future.set_running_or_notify_cancel():
                return
            if store is None:
                future.set_exception(
                    NotReady(
                        f"the prediction log is not being written: {self._failure or 'closed'}"
                    )
                )
                return
            try:
                found = question(store)
            except sqlite3.Error as error:
                future.set_exception(NotReady(f"the prediction log failed: {error}"))
                raise
            except Exception as error:  # noqa: BLE001  # who asked gets it, the thread lives on
                future.set_exception(error)
            else:
                future.set_result(found)

        with self._changed:
            if self._closed:
                put(None)
            else:
                self._questions.append(put)
                self._changed.notify()
        return future

    def close(self) -> None:
        """Write what was recorded, and give the file up."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        self._open()
        while self._wait():
            with self._changed:
                answers, questions = list(self._answers), list(self._questions)
                self._answers.clear()
                self._questions.clear()
                self._bytes = 0
            if self._store is None and time.monotonic() >= self._retry_at:
                self._open()
            self._attempt(partial(Store.append, rows=answers), len(answers))
            for put in questions:
                if self._store is None:
                    put(None)
                else:
                    self._attempt(put, 0)
            if time.monotonic() >= self._forget_at:
                self._forget_at = time.monotonic() + FORGET_SECONDS
                self._attempt(self._forget, 0)
        if self._store is not None:
            self._store.close()

    def _wait(self) -> bool:
        """Wait until there is something to do; False at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._answers or self._questions or self._closed,
                FORGET_SECONDS if self._failure is None else RETRY_SECONDS,
            )
            self._changed.wait_for(self._hurries, GATHER_SECONDS)
            return bool(not self._closed or self._answers or self._questions)

    def _hurries(self) -> bool:
        """Whether to gather no longer: a question is not kept waiting, and no answer shall be lost.

        The caller holds the lock.
        """
        full = 2 * len(self._answers) >= WAITING or 2 * self._bytes > WAITING_BYTES
        return bool(full or self._questions or self._closed)

    def _attempt(self, action: Callable[[Store], None], rows: int) -> None:
        """Do something to the file; a disk that refuses stops the log until it is tried again."""
        written = False
        if self._store is not None:
            try:
                action(self._store)
                written = True
            except Exception as error:  # noqa: BLE001  # or the thread would end, and nobody hear of it
                self._fail(error)
        with self._changed:
            self._written += rows if written else 0
            self._lost += 0 if written else rows

    def _open(self) -> None:
        try:
            self._store = Store(self.path, keep_images=self._keep_images)
        except sqlite3.Error as error:
            self._fail(error)
        else:
            with self._changed:
                self._failure = None

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            logger.error("the prediction log is not written: %s", error)
        if self._store is not None:
            self._store.close()
            self._store = None
        self._retry_at = time.monotonic() + RETRY_SECONDS
        with self._changed:
            self._failure = str(error)

    def _forget(self, store: Store) -> None:
        store.forget(time.time() - self._retention.seconds, self._retention.most_bytes)
