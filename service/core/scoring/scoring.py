"""The run: every input becomes one row of the output, however often it is stopped."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from models.errors import DataError
from service.core.scoring.ahead import ahead
from service.core.scoring.decoding import Decoded, Readable, decode
from service.core.scoring.items import Item
from service.core.scoring.output import Output
from service.core.scoring.rows import Row
from service.core.scoring.scorer import Scorer
from service.core.scoring.summary import Summary

BATCHES_AHEAD = 8
"""Decoded images that wait, in batches of one session."""

Progress = Callable[[Summary, int], None]
"""Told the summary of finished parts and how many more rows are ready."""


@dataclass(frozen=True)
class Work:
    """How a run is done; none of it changes a row."""

    readable: Readable
    threads: int
    retry_errors: bool = False


def score(
    items: Iterable[Item], scorer: Scorer, output: Output, work: Work, progress: Progress
) -> Summary:
    """Score what the output has not got yet, a part at a time.

    Batches do not reach across parts, so a run that was stopped and goes on by the same plan
    computes the same batches, to the bit, as one that was not.

    Args:
        items: all inputs of the run, in order.
        scorer: makes rows of images.
        output: where the parts are.
        work: how.
        progress: hears how far it is.

    Raises:
        DataError: an input file broke meanwhile.
        OutputError: a part cannot be read or written.
        RuntimeFailure: the runtime failed.
    """
    summary = Summary(output.run.images)

    todo = _todo(items, output, summary, retry=work.retry_errors)
    for number, part in groupby(decoded(todo, scorer, work), key=itemgetter(0)):
        fresh = []
        for row in scorer.rows(timed(part, summary)):
            fresh.append(row)
            progress(summary, len(fresh))
        finish(output, number, fresh, summary)
        progress(summary, 0)
    check_complete(output, summary)
    return summary


def decoded(
    todo: Iterable[tuple[int, Item]], scorer: Scorer, work: Work
) -> Iterator[tuple[int, Decoded]]:
    """Inputs read and decoded in threads, in order, with their part's number."""

    def one(numbered: tuple[int, Item]) -> tuple[int, Decoded]:
        number, item = numbered
        return number, decode(item, scorer.manifest.preprocessing, work.readable)

    most = BATCHES_AHEAD * scorer.plan.batch * scorer.plan.sessions
    return ahead(one, todo, threads=work.threads, most=most)


def outstanding(output: Output, number: int, summary: Summary, *, retry: bool) -> set[str] | None:
    """The ids that a part wants scored, None for all; one that wants none is counted.

    Raises:
        OutputError: the part cannot be read.
    """
    if not output.done(number):
        return None
    rows = output.read(number)
    failed = {row.input for row in rows if row.error is not None} if retry else set()
    if not failed:
        summary.add(rows)
    return failed


def finish(output: Output, number: int, fresh: list[Row], summary: Summary) -> None:
    """Write a part's rows, in the place of those that were scored before, and count them.

    Raises:
        OutputError: the part cannot be read or written.
    """
    rows = _merged(output.read(number), fresh) if output.done(number) else fresh
    output.write(number, rows)
    summary.add(rows)


def check_complete(output: Output, summary: Summary) -> None:
    """Refuse inputs that are fewer or more than when they were counted.

    Raises:
        DataError: they are.
    """
    if summary.rows != summary.images:
        raise DataError(
            f"{output.run.source} has changed meanwhile: {summary.rows} images, not "
            f"{summary.images}"
        )


def _todo(
    items: Iterable[Item], output: Output, summary: Summary, *, retry: bool
) -> Iterator[tuple[int, Item]]:
    """The inputs that are to be scored, with their part's number; finished parts are counted."""
    size = output.run.part_size
    for number, part in groupby(enumerate(items), key=lambda pair: pair[0] // size):
        ids = outstanding(output, number, summary, retry=retry)
        yield from ((number, item) for _, item in part if ids is None or item.id in ids)


def timed(group: Iterable[tuple[int, Decoded]], summary: Summary) -> Iterator[Decoded]:
    """The images, whose times a summary remembers."""
    for _, image in group:
        summary.remember((image.seconds, image.item.id))
        yield image


def _merged(old: list[Row], fresh: list[Row]) -> list[Row]:
    """The rows of a part, those scored again in the place of the old ones."""
    new = {row.input: row for row in fresh}
    return [new.get(row.input, row) for row in old]
