"""What a run writes down of each epoch: metrics.jsonl and TensorBoard's events."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

FILE = "metrics.jsonl"

Record = Callable[[int, Mapping[str, float]], None]
"""Takes an epoch's number and its figures by name."""


@contextmanager
def journal(folder: Path | None, after: int) -> Iterator[Record]:
    """A journal that goes on after an epoch; what it says of later ones is dropped.

    Args:
        folder: where it is; None for nowhere.
        after: the last epoch that still holds.
    """
    if folder is None:
        yield _nowhere
        return
    path = folder / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if _epoch(line) <= after]
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    with (
        path.open("a", encoding="utf-8", buffering=1) as file,
        SummaryWriter(str(folder), purge_step=after + 1) as board,
    ):

        def record(epoch: int, figures: Mapping[str, float]) -> None:
            file.write(json.dumps({"epoch": epoch, **figures}) + "\n")
            for name, value in figures.items():
                board.add_scalar(name, value, epoch)
            board.flush()

        yield record


def _epoch(line: str) -> float:
    """The epoch that a line tells of; of one that a crash has cut off, later than any."""
    try:
        return float(json.loads(line)["epoch"])
    except ValueError:
        return math.inf


def _nowhere(_epoch: int, _figures: Mapping[str, float]) -> None:
    """Where there is no folder."""
