"""What a run writes down, read by TensorBoard itself."""

import json
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.learning.journal import journal


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def board(folder: Path, name: str) -> list[tuple[int, float]]:
    """The points that TensorBoard shows."""
    events = EventAccumulator(str(folder)).Reload()
    return [(each.step, each.value) for each in events.Scalars(name)]


def test_each_epoch_is_a_line_and_a_point(tmp_path: Path) -> None:
    with journal(tmp_path, 0) as record:
        record(1, {"loss": 0.75, "accuracy": 0.5})
        assert len(lines(tmp_path)) == 1, "a line is there as soon as it is written"
        record(2, {"loss": 0.5, "accuracy": 0.625})

    assert lines(tmp_path) == [
        {"epoch": 1, "loss": 0.75, "accuracy": 0.5},
        {"epoch": 2, "loss": 0.5, "accuracy": 0.625},
    ]
    assert board(tmp_path, "loss") == [(1, 0.75), (2, 0.5)]


def test_epochs_done_again_stand_once(tmp_path: Path) -> None:
    with journal(tmp_path, 0) as record:
        for epoch, loss in ((1, 0.75), (2, 0.5), (3, 0.25)):
            record(epoch, {"loss": loss})
    time.sleep(1.1)  # TensorBoard orders its files by the second
    with journal(tmp_path, 1) as record:
        record(2, {"loss": 0.375})

    assert [(line["epoch"], line["loss"]) for line in lines(tmp_path)] == [(1, 0.75), (2, 0.375)]
    assert board(tmp_path, "loss") == [(1, 0.75), (2, 0.375)]


def test_a_line_that_a_crash_has_cut_off_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1, "loss": 0.75}\n{"epoch": 2, "lo')

    with journal(tmp_path, 1) as record:
        record(2, {"loss": 0.5})

    assert lines(tmp_path) == [{"epoch": 1, "loss": 0.75}, {"epoch": 2, "loss": 0.5}]


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with journal(None, 0) as record:
        record(1, {"loss": 0.75})

    assert not list(tmp_path.iterdir())
