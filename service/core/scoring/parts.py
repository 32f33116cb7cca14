"""How rows stand in a file: Parquet, or JSON lines."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path

from pyarrow import parquet

from service.core.scoring.remote import Place
from service.core.scoring.rows import Row, as_dict, to_table


class Format(StrEnum):
    """What parts are written as; also their suffix."""

    PARQUET = "parquet"
    JSONL = "jsonl"


@dataclass(frozen=True)
class Files:
    """How a format is written and read; `write` takes the file, the rows and the metadata."""

    write: Callable[[Path, Sequence[Row], dict[str, str]], None]
    read: Callable[[Place], list[Row]]


def _write_parquet(path: Path, rows: Sequence[Row], metadata: dict[str, str]) -> None:
    # A file of Python's, whose errors say more than Arrow's.
    with path.open("wb") as file:
        parquet.write_table(to_table(rows, metadata), file, compression="zstd")


def _read_parquet(path: Place) -> list[Row]:
    with path.open("rb") as file:
        return [Row(**row) for row in parquet.read_table(file).to_pylist()]


def _write_jsonl(path: Path, rows: Sequence[Row], _: dict[str, str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(as_dict(row), ensure_ascii=False) + "\n")


def _read_jsonl(path: Place) -> list[Row]:
    with path.open("rb") as file:
        return [Row(**json.loads(line)) for line in TextIOWrapper(file, "utf-8")]


FILES = {
    Format.PARQUET: Files(_write_parquet, _read_parquet),
    Format.JSONL: Files(_write_jsonl, _read_jsonl),
}


def join(form: Format, folder: Path, file: Path) -> None:
    """Write the parts of a run into one file, in order, a part at a time in memory.

    Raises:
        OSError: the file system refused.
    """
    JOINERS[form](sorted(folder.glob(f"part-*.{form}")), file)


def _join_parquet(parts: Sequence[Path], file: Path) -> None:
    schema = parquet.read_schema(parts[0])
    with parquet.ParquetWriter(file, schema, compression="zstd") as joined:
        for part in parts:
            joined.write_table(parquet.read_table(part, partitioning=None))


def _join_jsonl(parts: Sequence[Path], file: Path) -> None:
    with file.open("wb") as joined:
        for part in parts:
            with part.open("rb") as lines:
                shutil.copyfileobj(lines, joined)


JOINERS: dict[Format, Callable[[Sequence[Path], Path], None]] = {
    Format.PARQUET: _join_parquet,
    Format.JSONL: _join_jsonl,
}
