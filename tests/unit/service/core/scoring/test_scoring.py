"""Every input becomes one row, however often the run is stopped."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import DataError, RuntimeFailure
from models.photo import DEFAULT_LIMITS
from service.core.plan import Plan
from service.core.ports import Arrays
from service.core.scoring import inputs
from service.core.scoring.decoding import Readable
from service.core.scoring.inputs import Source
from service.core.scoring.items import Item
from service.core.scoring.output import Run, opened
from service.core.scoring.parts import FILES, Format
from service.core.scoring.rows import Row
from service.core.scoring.scorer import Scorer
from service.core.scoring.scoring import Work, score
from service.core.scoring.summary import Summary

PLAN = Plan(sessions=1, threads=1, batch=2)
WORK = Work(Readable(10**6, DEFAULT_LIMITS), threads=2)


class Colour:
    """The class is the colour that is strongest on average; fails once it is told to."""

    def __init__(self, runs: int = 100) -> None:
        self.left = runs
        self.images = 0

    def run(self, feeds: Arrays, /) -> Arrays:
        if not self.left:
            raise RuntimeFailure("told to")
        self.left -= 1
        self.images += len(feeds["image"])
        means = feeds["image"].mean(axis=(1, 2)) / 10
        return {"logits": np.pad(means, ((0, 0), (0, 1)))}


Score = Callable[..., Summary]


@pytest.fixture
def run(tiny_bundle: Bundle, folder: Path, tmp_path: Path, a_run: Run) -> Score:
    """Scores the folder into `out`, in parts of 4 and batches of 2."""

    def scored(runner: Colour, out: str = "out", *, retry: bool = False) -> Summary:
        source = Source(str(folder))
        found = inputs.survey(source)
        of = replace(a_run, images=found.images, fingerprint=found.fingerprint, part_size=4)
        scorer = Scorer(tiny_bundle.manifest, runner, PLAN)
        work = replace(WORK, retry_errors=retry)
        with opened(tmp_path / out, of) as output:
            return score(inputs.read(source), scorer, output, work, lambda *_: None)

    return scored


def rows(folder: Path) -> list[Row]:
    return [
        row
        for part in sorted(folder.glob("part-*.parquet"))
        for row in FILES[Format.PARQUET].read(part)
    ]


def test_every_input_is_a_row_in_order(run: Score, tmp_path: Path) -> None:
    summary = run(Colour())

    found = rows(tmp_path / "out")
    assert [row.input for row in found] == [f"{number}.png" for number in range(10)]
    assert [row.index for row in found] == [0, 1, 2, None, 1, 2, 0, 1, 2, 0]
    assert found[3].error is not None
    assert (summary.rows, dict(summary.errors)) == (10, {"UnsupportedFormat": 1})
    assert len(list((tmp_path / "out").glob("part-*"))) == 3


@pytest.mark.parametrize("runs", range(5))
def test_a_run_that_failed_goes_on_where_it_was(run: Score, tmp_path: Path, runs: int) -> None:
    run(Colour(), "whole")
    with pytest.raises(RuntimeFailure):
        run(Colour(runs))
    before = len(rows(tmp_path / "out"))
    runner = Colour()

    summary = run(runner)

    assert rows(tmp_path / "out") == rows(tmp_path / "whole")
    assert runner.images == 10 - before - (before == 0)  # the bad one is in the first part
    assert summary.as_dict()["classes"] == {"green": 3, "blue": 3, "red": 3}


def test_what_failed_is_scored_again_on_demand(
    run: Score, tmp_path: Path, folder: Path, photo: Callable[[int], bytes]
) -> None:
    run(Colour())
    before = rows(tmp_path / "out")
    (folder / "3.png").write_bytes(photo(3))

    untouched, retried = Colour(), Colour()
    assert run(untouched).failed == 1
    summary = run(retried, retry=True)

    after = rows(tmp_path / "out")
    assert (untouched.images, retried.images, summary.failed) == (0, 1, 0)
    assert (after[3].input, after[3].index, after[3].error) == ("3.png", 0, None)
    assert after[:3] + after[4:] == before[:3] + before[4:]
    assert summary.rows == 10


def test_inputs_that_vanish_from_the_list_are_noticed(
    tiny_bundle: Bundle, folder: Path, tmp_path: Path, a_run: Run
) -> None:
    def fewer() -> Iterator[Item]:
        found = list(inputs.read(Source(str(folder))))
        yield from found[:-1]

    of = replace(a_run, images=10, part_size=4)
    with (
        opened(tmp_path / "out", of) as output,
        pytest.raises(DataError, match="photos has changed meanwhile: 9 images, not 10"),
    ):
        score(fewer(), Scorer(tiny_bundle.manifest, Colour(), PLAN), output, WORK, lambda *_: None)


def test_progress_tells_rows_that_are_ready(
    tiny_bundle: Bundle, folder: Path, tmp_path: Path, a_run: Run
) -> None:
    told = []
    of = replace(a_run, images=10, part_size=4)
    with opened(tmp_path / "out", of) as output:
        score(
            inputs.read(Source(str(folder))),
            Scorer(tiny_bundle.manifest, Colour(), PLAN),
            output,
            WORK,
            lambda summary, ready: told.append(summary.rows + ready),
        )

    assert told == sorted(told)
    assert set(told) == set(range(1, 11))
