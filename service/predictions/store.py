"""The prediction log's file: a table in SQLite."""

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import PredictionNotFound

LAYOUT = 1
"""Of the table; stands in the file as its user version."""

AT_ONCE = 1000
"""Rows removed in one transaction."""

WAL_BYTES = 4 * 2**20
"""What is left of the WAL after a large transaction; else it would stay as long as ever."""

_TABLE = """
CREATE TABLE predictions (
    number INTEGER PRIMARY KEY,
    image_id TEXT NOT NULL UNIQUE,
    time REAL NOT NULL,
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    predicted TEXT NOT NULL,
    probability REAL NOT NULL,
    answer TEXT NOT NULL,
    label TEXT,
    image BLOB
);
CREATE INDEX labelled ON predictions (model, version, label = predicted) WHERE label IS NOT NULL;
"""

_ROWS = """
SELECT image_id, time, model, version, sha256, predicted, probability, answer, label
FROM predictions ORDER BY number
"""

_EXAMPLES = """
SELECT image_id, time, model, version, sha256, predicted, probability, answer, label, image
FROM predictions WHERE number IN (
    SELECT max(number) FROM predictions
    WHERE label IS NOT NULL AND image IS NOT NULL GROUP BY sha256
) ORDER BY number
"""


@dataclass(frozen=True)
class Answered:
    """One answer of `/classify`.

    `time` is in seconds since 1970, `image` the bytes that were sent, `answer` what was said of
    them, less the timings.
    """

    image_id: str
    time: float
    model: str
    version: int
    image: bytes
    answer: Mapping[str, Any]


@dataclass(frozen=True)
class Prediction:
    """What was said of an image, and by which model."""

    model: str
    version: int
    predicted: str


class Store:
    """The table, open for writing; used by the thread that opened it."""

    def __init__(self, path: Path, *, keep_images: bool) -> None:
        """Open the file, or make it.

        Raises:
            sqlite3.Error: it cannot be opened, or is no prediction log of this layout.
        """
        self._keep_images = keep_images
        self._connection = sqlite3.connect(path)
        try:
            self._prepare()
        except sqlite3.Error:
            self._connection.close()
            raise

    def close(self) -> None:
        """Give the file up."""
        self._connection.close()

    def append(self, rows: Sequence[Answered]) -> None:
        """Write answers, in order; one with the id of an earlier one replaces it.

        Raises:
            sqlite3.Error: the disk is full, or refuses; then none of them is written.
        """
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO predictions (image_id, time, model, version, sha256, "
                "predicted, probability, answer, image) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                map(self._values, rows),
            )

    def find(self, image_id: str) -> Prediction:
        """What was said of an image.

        Raises:
            PredictionNotFound: nothing that is still remembered.
            sqlite3.Error: the file cannot be read.
        """
        row = self._connection.execute(
            "SELECT model, version, predicted FROM predictions WHERE image_id = ?", (image_id,)
        ).fetchone()
        if row is None:
            raise PredictionNotFound(
                f"the prediction log has no image {image_id!r}: an answer of /classify gives it as "
                "image_id, and old ones are forgotten"
            )
        return Prediction(*row)

    def label(self, image_id: str, label: str) -> None:
        """Note what an image really shows; what was noted before is replaced.

        Raises:
            sqlite3.Error: the disk is full, or refuses.
        """
        with self._connection:
            self._connection.execute(
                "UPDATE predictions SET label = ? WHERE image_id = ?", (label, image_id)
            )

    def forget(self, before: float, most_bytes: int) -> None:
        """Remove the oldest answers.

        Args:
            before: those until this time, in seconds since 1970.
            most_bytes: and more, until the file's contents are no larger.

        Raises:
            sqlite3.Error: the disk is full, or refuses.
        """
        while self._remove_oldest(AT_ONCE, before) == AT_ONCE:
            pass
        while (excess := self._size() - most_bytes) > 0:
            if not self._remove_oldest(self._oldest_filling(excess), math.inf):
                break
        # `execute` would take one step of it, a page.
        self._connection.executescript("PRAGMA incremental_vacuum")

    def _remove_oldest(self, count: int, before: float) -> int:
        """Remove those of the oldest answers that were given before a time; return how many."""
        with self._connection:
            return self._connection.execute(
                "DELETE FROM predictions WHERE number IN (SELECT number FROM predictions "
                "ORDER BY number LIMIT ?) AND time < ?",
                (count, before),
            ).rowcount

    def _oldest_filling(self, size: int) -> int:
        """How many of the oldest answers fill so many bytes; with images, few do."""
        (less,) = self._connection.execute(
            "SELECT count(*) FROM (SELECT sum(length(answer) + ifnull(length(image), 0)) "
            "OVER (ORDER BY number) AS filled FROM predictions ORDER BY number LIMIT ?) "
            "WHERE filled < ?",
            (AT_ONCE - 1, size),
        ).fetchone()
        return int(less) + 1

    def _size(self) -> int:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _prepare(self) -> None:
        execute = self._connection.execute
        (layout,) = execute("PRAGMA user_version").fetchone()
        if layout not in {0, LAYOUT}:
            raise sqlite3.DatabaseError(f"the log has layout {layout}, not {LAYOUT}")
        if layout == 0:
            execute("PRAGMA auto_vacuum = incremental")  # so that what is removed leaves the disk
        # Readers do not wait for the writer, and a commit does not wait for the disk.
        execute("PRAGMA journal_mode = wal")
        execute("PRAGMA synchronous = normal")
        execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        # All of it or nothing; and in any case something, so that a disk that is full or read-only
        # refuses now, not the next answer.
        table = _TABLE if layout == 0 else ""
        self._connection.executescript(f"BEGIN; {table} PRAGMA user_version = {LAYOUT}; COMMIT;")
        execute("SELECT 1 FROM predictions LIMIT 1")

    def _values(self, row: Answered) -> tuple[object, ...]:
        best = row.answer["predictions"][0]
        return (
            row.image_id,
            row.time,
            row.model,
            row.version,
            hashlib.sha256(row.image).hexdigest(),
            best["label"],
            best["probability"],
            json.dumps(row.answer, ensure_ascii=False),
            row.image if self._keep_images else None,
        )


@dataclass(frozen=True)
class LiveAccuracy:
    """How often a version was right, of the images that people have labelled."""

    model: str
    version: int
    labelled: int
    right: int


def accuracy(path: Path) -> list[LiveAccuracy]:
    """Each version's, from a log that another may be writing.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with _reading(path) as connection:
        rows = connection.execute(
            "SELECT model, version, count(*), sum(label = predicted) FROM predictions "
            "WHERE label IS NOT NULL GROUP BY model, version ORDER BY model, version"
        )
        return [LiveAccuracy(*row) for row in rows]


def read(path: Path) -> Iterator[dict[str, Any]]:
    """All rows of a log that another may be writing, the oldest first, without their images.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    return _select(path, _ROWS)


def examples(path: Path) -> Iterator[dict[str, Any]]:
    """As `read`, with `image`, of each image that was kept and labelled the last labelled row.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    return _select(path, _EXAMPLES)


def _select(path: Path, query: str) -> Iterator[dict[str, Any]]:
    with _reading(path) as connection:
        connection.row_factory = sqlite3.Row
        for row in connection.execute(query):
            yield dict(row)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()
