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

    def decoded(numbered: tuple[int, Item]) -> tuple[int, Decoded]:
        number, item = numbered
        return number, decode(item, scorer.manifest.preprocessing, work.readable)

    todo = _todo(items, output, summary, retry=work.retry_errors)
    most = BATCHES_AHEAD * scorer.plan.batch * scorer.plan.sessions
    images = ahead(decoded, todo, threads=work.threads, most=most)
    for number, part in groupby(images, key=itemgetter(0)):
        fresh = []
        for row in scorer.rows(_timed(part, summary)):
            fresh.append(row)
            progress(summary, len(fresh))
        rows = _merged(output.read(number), fresh) if output.done(number) else fresh
        output.write(number, rows)
        summary.add(rows)
        progress(summary, 0)
    if summary.rows != summary.images:
        raise DataError(
            f"{output.run.source} has changed meanwhile: {summary.rows} images, not "
            f"{summary.images}"
        )
    return summary


def _todo(
    items: Iterable[Item], output: Output, summary: Summary, *, retry: bool
) -> Iterator[tuple[int, Item]]:
    """The inputs that are to be scored, with their part's number; finished parts are counted."""
    size = output.run.part_size
    for number, part in groupby(enumerate(items), key=lambda pair: pair[0] // size):
        if not output.done(number):
            yield from ((number, item) for _, item in part)
            continue
        rows = output.read(number)
        failed = {row.input for row in rows if row.error is not None} if retry else set()
        if failed:
            yield from ((number, item) for _, item in part if item.id in failed)
        else:
            summary.add(rows)


def _timed(group: Iterable[tuple[int, Decoded]], summary: Summary) -> Iterator[Decoded]:
    for _, image in group:
        summary.time(image)
        yield image


def _merged(old: list[Row], fresh: list[Row]) -> list[Row]:
    """The rows of a part, those scored again in the place of the old ones."""
    new = {row.input: row for row in fresh}
    return [new.get(row.input, row) for row in old]
