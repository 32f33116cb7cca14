"""The prediction log as a Parquet file, and its images as files beside it, to learn from."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from models.durable import replacing
from models.errors import DataError
from models.photo import sniff
from service.predictions import store

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("predicted", pa.string(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
    ]
)
"""`label` is what people said, `predicted` what the model did, `answer` all of it as JSON."""

AT_ONCE = 1000


def export(log: Path, output: Path, images: Path | None) -> int:
    """Write the rows of a log that a service may be writing; return how many.

    Args:
        log: the SQLite file.
        output: the Parquet file.
        images: a folder to write images to; then only images that were kept and labelled are
            written, each once, with its `path` relative to the folder of `output`.

    Raises:
        DataError: there is no such log, it cannot be read, or the output would replace it.
        OSError: the output cannot be written.
    """
    if not log.is_file():
        raise DataError(f"there is no prediction log {log}")
    if output.exists() and output.samefile(log):
        raise DataError(f"{output} is the prediction log itself, which the rows would replace")
    rows, written = _rows(log, output.parent, images), 0
    with (
        _translated(log),
        replacing(output) as temporary,
        parquet.ParquetWriter(temporary, SCHEMA, compression="zstd") as file,
    ):
        while some := list(islice(rows, AT_ONCE)):
            file.write_table(pa.Table.from_pylist(some, SCHEMA))
            written += len(some)
    return written


def _rows(log: Path, folder: Path, images: Path | None) -> Iterator[dict[str, Any]]:
    found = store.read(log) if images is None else store.examples(log)
    for row in found:
        row["time"] = datetime.fromtimestamp(row["time"], UTC)
        if images is not None:
            # Taken out of the row: a thousand photos may be more than the memory holds.
            file = _written(row.pop("image"), row["sha256"], images)
            row["path"] = os.path.relpath(file, folder)
        yield row


def _written(image: bytes, sha256: str, images: Path) -> Path:
    """The file that an image was written to, named by its contents."""
    file = images / f"{sha256}.{sniff(image).lower()}"
    images.mkdir(parents=True, exist_ok=True)
    file.write_bytes(image)
    return file


@contextmanager
def _translated(log: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(f"{log} cannot be read as a prediction log: {error}") from error
