"""Images listed in a CSV or Parquet table, or held in one: a column of paths or of bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv, parquet

from models.errors import DataError
from service.core.scoring.items import Item, Span, shown
from service.core.scoring.remote import Place, beside

SUFFIXES = frozenset({".csv", ".parquet"})

_ROWS = 16
"""Read at a time from Parquet: encoded images are large."""


_BUFFER = 2**20
"""Bytes of a Parquet file that are read at a time."""


def names(table: Place, column: str) -> Iterator[str]:
    """The path in each row; nothing for an encoded image, which is not read.

    Raises:
        DataError: the table cannot be read, or has no such column.
    """
    with _translated(table):
        if not _is_csv(table):
            with _parquet(table, column) as opened:
                if not _is_text(opened.schema_arrow.field(column).type):
                    yield from repeat("", opened.metadata.num_rows)
                    return
        for values in _columns(table, column):
            yield from values.to_pylist()


def items(table: Place, name: str, column: str) -> Iterator[Item]:
    """An item for each row: its path is a URL, or goes from the table's folder.

    A row without a value is an item too: of no bytes, or of a path that leads nowhere.

    Args:
        table: the file.
        name: what the items' ids begin with.
        column: text is paths, binary is encoded images.

    Raises:
        DataError: the table cannot be read, or has no such column.
    """
    number = 0
    with _translated(table):
        for values in _columns(table, column):
            for value in values.to_pylist():
                id_ = f"{name}#{number}"
                if isinstance(value, str):
                    path = beside(table, value)
                    yield Item(id_, shown(path), Span(path))
                else:
                    yield Item(id_, None, value or b"")
                number += 1


def _is_csv(table: Place) -> bool:
    return table.suffix.lower() == ".csv"


def _columns(table: Place, column: str) -> Iterator[Any]:
    """The column in pieces; text is "" where there is no value."""
    return _csv_columns(table, column) if _is_csv(table) else _parquet_columns(table, column)


def _csv_columns(table: Place, column: str) -> Iterator[Any]:
    lines = csv.ParseOptions(newlines_in_values=True)  # other columns may be of any text
    with table.open("rb") as file, csv.open_csv(file, parse_options=lines) as header:
        _check(table, column, header.schema)
    # The others are not read, or one that changes its type half-way would be an error.
    only = csv.ConvertOptions(include_columns=[column], column_types={column: pa.string()})
    with table.open("rb") as file, csv.open_csv(file, None, lines, only) as reader:
        for batch in reader:
            yield batch.column(0)


def _parquet_columns(table: Place, column: str) -> Iterator[Any]:
    with _parquet(table, column) as opened:
        for batch in opened.iter_batches(_ROWS, columns=[column]):
            values = batch.column(0)
            yield values.fill_null("") if _is_text(values.type) else values


@contextmanager
def _parquet(table: Place, column: str) -> Iterator[Any]:
    with table.open("rb") as file, _opened(file) as opened:
        schema = opened.schema_arrow
        _check(table, column, schema)
        kind = schema.field(column).type
        if not (_is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise DataError(f"{table}: column {column} holds {kind}, not paths or encoded images")
        yield opened


def _opened(file: IO[bytes]) -> Any:
    # By default, all that a group of rows holds of the column would be read at once.
    return parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _check(table: Place, column: str, schema: Any) -> None:
    if schema.names.count(column) != 1:
        raise DataError(
            f"{table} needs one column {column}; its columns are {', '.join(schema.names)}"
        )


@contextmanager
def _translated(table: Place) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise DataError(f"{table} cannot be read: {_first_line(error)}") from error
    except OSError as error:
        reason = error.strerror or _first_line(error)
        raise DataError(f"{table} cannot be read: {reason}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
