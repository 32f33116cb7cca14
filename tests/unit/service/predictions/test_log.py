"""Writing beside the requests, on disks that refuse."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from models.errors import NotReady, PredictionNotFound
from service.predictions import log as module
from service.predictions import store
from service.predictions.log import LogState, PredictionLog, Retention
from service.predictions.store import Answered, Store

SECONDS = 10
FOR_EVER = Retention(1e12, 10**12)


def answered(number: int, image: bytes = b"photo") -> Answered:
    answer = {"predictions": [{"label": "cat", "index": 0, "probability": 0.75}]}
    return Answered(f"r{number}/0", float(number), "pets", 1, image, answer)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def start() -> Iterator[Callable[[Path], PredictionLog]]:
    started: list[PredictionLog] = []

    def begin(path: Path, retention: Retention = FOR_EVER) -> PredictionLog:
        started.append(PredictionLog(path, retention, keep_images=False))
        return started[-1]

    yield begin
    for log in started:
        log.close()


def ids(path: Path) -> list[str]:
    return [row["image_id"] for row in store.read(path)]


def wait_for(condition: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(100 * SECONDS):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("it did not happen")


def test_closing_writes_what_was_recorded(
    path: Path, start: Callable[[Path], PredictionLog]
) -> None:
    log = start(path)
    for number in range(500):
        log.record(answered(number))
    log.close()

    assert ids(path) == [f"r{number}/0" for number in range(500)]
    assert log.state == LogState(written=500, lost=0, failure=None)


def test_a_question_sees_what_was_recorded_before(
    path: Path, start: Callable[[Path], PredictionLog]
) -> None:
    log = start(path)
    log.record(answered(1))

    assert log.ask(lambda store: store.find("r1/0")).result(SECONDS).predicted == "cat"
    with pytest.raises(PredictionNotFound):
        log.ask(lambda store: store.find("r2/0")).result(SECONDS)
    assert log.state.failure is None


def test_a_question_that_fails_by_itself_does_not_stop_the_log(
    path: Path, start: Callable[[Path], PredictionLog]
) -> None:
    log = start(path)

    with pytest.raises(UnicodeEncodeError):
        log.ask(lambda store: store.find("\ud800")).result(SECONDS)

    log.record(answered(1))
    assert log.ask(lambda store: store.find("r1/0")).result(SECONDS).predicted == "cat"
    assert log.state == LogState(written=1, lost=0, failure=None)


def test_a_question_that_is_called_off_does_not_stop_the_log(
    path: Path, start: Callable[[Path], PredictionLog]
) -> None:
    log, go = start(path), Event()
    blocked = log.ask(lambda _: go.wait(SECONDS))
    wait_for(blocked.running)
    called_off = log.ask(lambda store: store.find("r1/0"))
    assert called_off.cancel()
    go.set()

    log.record(answered(1))
    assert log.ask(lambda store: store.find("r1/0")).result(SECONDS).predicted == "cat"


def test_answers_that_pile_up_are_lost_and_counted(
    path: Path, start: Callable[[Path], PredictionLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, go = start(path), Event()
    blocked = log.ask(lambda _: go.wait(SECONDS))
    wait_for(lambda: not log._questions)  # noqa: SLF001 - the writer has taken it up
    monkeypatch.setattr(module, "WAITING", 3)
    for number in range(5):
        log.record(answered(number))
    monkeypatch.setattr(module, "WAITING", 100)
    monkeypatch.setattr(module, "WAITING_BYTES", 20)
    log.record(answered(5, bytes(100)))
    log.record(answered(6))
    go.set()
    blocked.result(SECONDS)
    log.close()

    assert ids(path) == ["r0/0", "r1/0", "r2/0", "r5/0"]
    assert log.state == LogState(written=4, lost=3, failure=None)


def test_a_file_that_cannot_be_opened_stops_the_log_alone(
    tmp_path: Path, start: Callable[[Path], PredictionLog]
) -> None:
    log = start(tmp_path)  # a folder
    log.record(answered(1))

    with pytest.raises(NotReady, match="unable to open database file"):
        log.ask(lambda store: store.find("r1/0")).result(SECONDS)
    assert log.state == LogState(0, 1, "unable to open database file")


def test_after_a_full_disk_writing_goes_on(
    path: Path,
    start: Callable[[Path], PredictionLog],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    log = start(path)
    log.record(answered(1))
    log.ask(lambda store: store.find("r1/0")).result(SECONDS)

    fill(log)
    log.record(answered(2, bytes(10)))
    wait_for(lambda: log.state.lost == 1)
    assert log.state.failure == "database or disk is full"
    assert "the prediction log is not written: database or disk is full" in caplog.text

    log.record(answered(3))
    wait_for(lambda: log.state.written == 2)
    assert log.state.failure is None
    assert ids(path) == ["r1/0", "r3/0"]


def test_a_disk_that_has_room_again_is_found_without_an_answer(
    path: Path, start: Callable[[Path], PredictionLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    log = start(path)
    fill(log)
    log.record(answered(2, bytes(10)))
    wait_for(lambda: log.state.lost == 1)

    wait_for(lambda: log.state.failure is None)


def test_an_answer_that_cannot_be_written_does_not_stop_the_log_for_ever(
    path: Path, start: Callable[[Path], PredictionLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    log = start(path)
    log.record(replace(answered(1), image_id="\ud800"))
    wait_for(lambda: log.state.lost == 1)

    log.record(answered(2))
    wait_for(lambda: log.state.written == 1)
    assert ids(path) == ["r2/0"]


def fill(log: PredictionLog) -> None:
    """Have SQLite find no room for more, until the file is opened again."""

    def full(store: Store) -> None:
        connection = store._connection  # noqa: SLF001 - the only way in
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute(
            "CREATE TRIGGER large AFTER INSERT ON predictions WHEN NEW.image_id = 'r2/0' BEGIN "
            "UPDATE predictions SET image = zeroblob(1000000) WHERE number = NEW.number; END"
        )

    log.ask(full).result(SECONDS)


def test_old_answers_are_forgotten_by_and_by(
    path: Path, start: Callable[..., PredictionLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORGET_SECONDS", 0.05)
    log = start(path, Retention(60.0, 10**12))  # the answers are of 1970
    log.record(answered(1))

    wait_for(lambda: log.state.written == 1)
    wait_for(lambda: ids(path) == [])
