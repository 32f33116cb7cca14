"""What a run writes down of each epoch: metrics.jsonl and TensorBoard's events."""

import json
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

FILE = "metrics.jsonl"


def record(folder: Path, epoch: int, figures: Mapping[str, float]) -> None:
    """Add an epoch's figures; those of it or of later ones, of a run cut short, are dropped."""
    path = folder / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if json.loads(line)["epoch"] < epoch]
    kept.append(json.dumps({"epoch": epoch, **figures}))
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    with SummaryWriter(str(folder), purge_step=epoch) as writer:
        for name, value in figures.items():
            writer.add_scalar(name, value, epoch)
