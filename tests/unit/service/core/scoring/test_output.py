"""Whose the results in a folder are, and what is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import OutputError
from service.core.scoring.output import Model, Run, opened
from service.core.scoring.parts import Format
from service.core.scoring.rows import Row


def rows(*names: str) -> list[Row]:
    return [Row(input=name, path=None, sha256=None, error="x") for name in names]


def test_a_part_is_done_once_it_is_written(a_run: Run, tmp_path: Path) -> None:
    with opened(tmp_path / "out", a_run) as output:
        assert not output.done(1)
        output.write(1, rows("d", "e"))
    with opened(tmp_path / "out", a_run) as output:
        assert (output.done(0), output.done(1)) == (False, True)
        assert output.read(1) == rows("d", "e")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"model": Model("tiny", 2, "ab" * 32)}, "model was tiny 1 abab.*, and is tiny 2 abab"),
        ({"model": Model("tiny", 1, "ef" * 32)}, "model was tiny 1 abab.*, and is tiny 1 efef"),
        ({"top_k": 1}, "top_k was 5, and is 1 now"),
        ({"images": 6}, "images was 5, and is 6 now"),
        ({"box": True}, "box was False, and is True now"),
        ({"robustness": "fast"}, "robustness was None, and is fast now"),
        ({"format": Format.JSONL}, "format was parquet, and is jsonl now"),
    ],
)
def test_another_run_is_refused(
    a_run: Run, tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    with opened(tmp_path, a_run) as output:
        output.write(0, rows("a", "b", "c"))

    with pytest.raises(OutputError, match=told), opened(tmp_path, replace(a_run, **changed)):  # type: ignore[arg-type]
        pass


def test_two_runs_at_once_are_refused(a_run: Run, tmp_path: Path) -> None:
    with (
        opened(tmp_path, a_run),
        pytest.raises(OutputError, match="being written by another process"),
        opened(tmp_path, a_run),
    ):
        pass


def test_a_folder_of_other_files_is_left_alone(a_run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(OutputError, match=r"holds thesis\.tex"), opened(tmp_path, a_run):
        pass


def test_a_part_that_is_not_whole_is_named(a_run: Run, tmp_path: Path) -> None:
    with opened(tmp_path, a_run) as output:
        output.write(0, rows("a"))
        with pytest.raises(OutputError, match=r"part-00000\.parquet has 1 rows, not 3"):
            output.read(0)
        (tmp_path / "part-00000.parquet").write_bytes(b"PAR1")
        with pytest.raises(OutputError, match=r"part-00000\.parquet cannot be read"):
            output.read(0)


def test_a_file_in_the_place_of_the_folder_is_told(a_run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").touch()

    with (
        pytest.raises(OutputError, match="out cannot be written: File exists"),
        opened(tmp_path / "out", a_run),
    ):
        pass
