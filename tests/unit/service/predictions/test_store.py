"""The prediction log's file, read back by SQLite itself."""

import hashlib
import json
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.errors import PredictionNotFound
from service.predictions import store
from service.predictions.store import Answered, LiveAccuracy, Prediction, Store


def answered(
    number: int, label: str = "cat", image: bytes = b"photo", version: int = 1
) -> Answered:
    predictions = [{"label": label, "index": 0, "probability": 0.75}]
    answer = {"predictions": predictions, "calibrated": False}
    return Answered(f"r{number}/0", float(number), "pets", version, image, answer)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def log(path: Path) -> Iterator[Store]:
    found = Store(path, keep_images=False)
    yield found
    found.close()


def rows(path: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM predictions")]


def test_an_answer_becomes_a_row_without_its_image(path: Path, log: Store) -> None:
    log.append([answered(7)])

    (row,) = rows(path)
    assert json.loads(row.pop("answer")) == answered(7).answer
    assert row == {
        "number": 1, "image_id": "r7/0", "time": 7.0, "model": "pets", "version": 1,
        "sha256": hashlib.sha256(b"photo").hexdigest(), "predicted": "cat", "probability": 0.75,
        "label": None, "image": None,
    }  # fmt: skip


def test_images_are_kept_where_that_is_asked_for(path: Path) -> None:
    keeping = Store(path, keep_images=True)
    keeping.append([answered(1)])
    keeping.close()

    assert rows(path)[0]["image"] == b"photo"


def test_a_later_answer_of_the_same_id_replaces_the_first(path: Path, log: Store) -> None:
    log.append([answered(1)])
    log.append([answered(1, "dog")])

    assert [row["predicted"] for row in rows(path)] == ["dog"]


def test_labels_say_how_often_each_version_was_right(path: Path, log: Store) -> None:
    log.append([answered(n, version=1 + n % 2) for n in range(8)])
    for number, label in ((0, "cat"), (2, "dog"), (4, "cat"), (1, "dog")):
        log.label(f"r{number}/0", label)
    log.label("r2/0", "cat")

    assert store.accuracy(path) == [LiveAccuracy("pets", 1, 3, 3), LiveAccuracy("pets", 2, 1, 0)]


def test_an_image_is_found_by_its_id(log: Store) -> None:
    log.append([answered(1)])

    assert log.find("r1/0") == Prediction("pets", 1, "cat")
    with pytest.raises(PredictionNotFound, match="'r2/0'"):
        log.find("r2/0")


def test_old_answers_are_forgotten(path: Path, log: Store) -> None:
    log.append([answered(n) for n in range(3000)])

    log.forget(before=2500.0, most_bytes=10**9)

    assert [row["time"] for row in rows(path)] == list(range(2500, 3000))


def test_beyond_its_size_the_oldest_go_and_the_disk_gets_it_back(path: Path) -> None:
    log = Store(path, keep_images=True)
    log.append([answered(n, image=bytes(1000)) for n in range(5000)])

    log.forget(before=0.0, most_bytes=2_500_000)
    log.close()

    kept = [row["time"] for row in rows(path)]
    assert kept == list(range(5000 - len(kept), 5000))
    assert 1000 <= len(kept) <= 2500
    assert path.stat().st_size <= 2_500_000


def test_beyond_its_size_no_more_images_go_than_have_to(path: Path) -> None:
    """Few photos fill the log, and the last ones are not to go with the first."""
    log = Store(path, keep_images=True)
    log.append([answered(n, image=bytes(100_000)) for n in range(50)])

    log.forget(before=0.0, most_bytes=2_500_000)
    log.close()

    assert [row["time"] for row in rows(path)] == list(range(26, 50))


def test_the_disk_gets_back_what_a_large_transaction_took(path: Path) -> None:
    log = Store(path, keep_images=True)
    log.append([answered(1, image=bytes(10_000_000))])
    wal = path.with_name(f"{path.name}-wal")
    assert wal.stat().st_size > 10_000_000

    log.append([answered(2)])

    assert wal.stat().st_size <= store.WAL_BYTES
    log.close()


def test_a_disk_that_has_become_full_refuses_the_log_before_any_answer(path: Path) -> None:
    """Or the log would seem to be written until an answer comes, and is lost."""
    log = Store(path, keep_images=False)
    log.append([answered(n) for n in range(500)])
    with sqlite3.connect(path) as reader:  # what is open has its WAL kept
        reader.execute("SELECT 1 FROM predictions").fetchone()
        log.close()
        wal = path.with_name(f"{path.name}-wal").stat().st_size

        with no_file_longer_than(wal), pytest.raises(sqlite3.OperationalError, match="disk"):
            Store(path, keep_images=False)

        Store(path, keep_images=False).close()
    assert len(rows(path)) == 500


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Refuse what would make a file longer, as a full disk does; Python ignores the signal."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def test_a_log_of_another_layout_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")

    with pytest.raises(sqlite3.DatabaseError, match="layout 9"):
        Store(path, keep_images=False)


def test_what_is_no_log_is_refused(path: Path) -> None:
    path.write_bytes(b"a diary" * 1000)

    with pytest.raises(sqlite3.DatabaseError):
        Store(path, keep_images=False)
