"""What a run writes down, read by TensorBoard itself."""

import json
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.learning import journal


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_each_epoch_is_a_line_and_a_point(tmp_path: Path) -> None:
    journal.record(tmp_path, 1, {"loss": 0.75, "accuracy": 0.5})
    journal.record(tmp_path, 2, {"loss": 0.5, "accuracy": 0.625})

    assert lines(tmp_path) == [
        {"epoch": 1, "loss": 0.75, "accuracy": 0.5},
        {"epoch": 2, "loss": 0.5, "accuracy": 0.625},
    ]
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(each.step, each.value) for each in events.Scalars("loss")] == [(1, 0.75), (2, 0.5)]


def test_epochs_done_again_stand_once(tmp_path: Path) -> None:
    for epoch, loss in ((1, 0.75), (2, 0.5), (3, 0.25), (2, 0.375)):
        journal.record(tmp_path, epoch, {"loss": loss})

    assert [(line["epoch"], line["loss"]) for line in lines(tmp_path)] == [(1, 0.75), (2, 0.375)]
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(each.step, each.value) for each in events.Scalars("loss")] == [(1, 0.75), (2, 0.375)]
