"""Runs batches, and answers each request in them, whatever goes wrong."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.errors import OutOfMemory
from service.core.admission import Backlog
from service.core.ports import Arrays
from service.core.session import Session, joined
from service.core.waiting import Answer, Request


@dataclass(frozen=True)
class BatchReport:
    """One batch, as it is reported to whoever keeps count.

    `limit` is the most rows that are run at once from now on, on the device with the least.
    """

    rows: int
    seconds: float
    limit: int
    out_of_memory: bool = False


class _Made(NamedTuple):
    """A request whose turn has come, and its inputs."""

    request: Request
    feeds: Arrays


class BatchRun:
    """Runs the batches of one queue. Safe to use from several threads."""

    def __init__(
        self,
        sessions: Sequence[Session],
        backlog: Backlog,
        report: Callable[[BatchReport], None],
    ) -> None:
        """Prepare.

        Args:
            sessions: all that the queue has.
            backlog: what was let into the queue, and leaves it answered.
            report: called after each batch.
        """
        self._sessions = sessions
        self._backlog = backlog
        self._report = report

    def answer(self, session: Session, batch: Sequence[Request]) -> None:
        """Run a batch; what goes wrong concerns its requests and no other."""
        made = self._make(batch)
        if not made:
            return
        failure = self._attempt(session, made)
        if failure is None:
            return
        again = _again(made, failure)
        for part in again:
            if failed := self._attempt(session, part):
                self._fail(part, failed)
        if not again:
            self._fail(made, failure)

    def _make(self, batch: Sequence[Request]) -> list[_Made]:
        """The inputs of each request that has any; the others hear what went wrong."""
        made = []
        for request in batch:
            try:
                made.append(_Made(request, request.make()))
            except Exception as error:  # noqa: BLE001  # the request gets it, the thread lives on
                self._backlog.leave(request.rows)
                request.answer.set_exception(error)
        return made

    def _attempt(self, session: Session, batch: Sequence[_Made]) -> Exception | None:
        """Run a batch and answer its requests; or return what went wrong."""
        rows = sum(each.request.rows for each in batch)
        started = time.perf_counter()
        try:
            outputs = session.run(joined([each.feeds for each in batch]))
        except Exception as error:  # noqa: BLE001  # the requests get it, the thread lives on
            if isinstance(error, OutOfMemory):
                self._tell(rows, time.perf_counter() - started, out_of_memory=True)
            return error
        seconds = time.perf_counter() - started
        self._backlog.leave(rows)
        first = 0
        for request, _ in batch:
            own = slice(first, first + request.rows)
            first = own.stop
            request.answer.set_result(
                Answer(
                    outputs={name: output[own] for name, output in outputs.items()},
                    inference_seconds=seconds,
                )
            )
        self._tell(rows, seconds)
        return None

    def _tell(self, rows: int, seconds: float, *, out_of_memory: bool = False) -> None:
        limit = min(session.limit.rows for session in self._sessions)
        self._report(BatchReport(rows, seconds, limit, out_of_memory))

    def _fail(self, batch: Sequence[_Made], error: Exception) -> None:
        self._backlog.leave(sum(each.request.rows for each in batch))
        for request, _ in batch:
            request.answer.set_exception(error)


def _again(batch: Sequence[_Made], failure: Exception) -> list[Sequence[_Made]]:
    """How a batch that has failed is run once more: in halves.

    So one request that cannot be run does not fail all others, and what needs too much memory
    may fit. A request by itself is run again where it was too large, for it goes in pieces then.
    """
    if len(batch) > 1:
        return [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
    too_large = isinstance(failure, OutOfMemory) and batch[0].request.rows > 1
    return [batch] if too_large else []
