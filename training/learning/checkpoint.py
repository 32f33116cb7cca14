"""The state of a run after an epoch, so that it can be taken up again."""

import pickle
from pathlib import Path
from typing import Any

import torch

from models.durable import replacing
from models.errors import TrainingError

FILE = "checkpoint.pt"


def save(folder: Path, identity: str, state: dict[str, Any]) -> None:
    """Write `checkpoint.pt`, whole or not at all; what was there before is replaced.

    Args:
        folder: exists.
        identity: says what is trained on what.
        state: tensors, numbers, strings, lists and dicts.
    """
    with replacing(folder / FILE) as temporary:
        torch.save({"identity": identity, "state": state}, temporary)


def exists(folder: Path) -> bool:
    """Whether a run has got so far that it left one."""
    return (folder / FILE).exists()


def load(folder: Path, identity: str) -> dict[str, Any] | None:
    """The state that `save` wrote; None where there is none yet.

    Raises:
        TrainingError: it is broken, or belongs to another run.
    """
    if not exists(folder):
        return None
    path = folder / FILE
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} is no checkpoint: {error}") from error
    if not isinstance(found, dict) or found.keys() != {"identity", "state"}:
        raise TrainingError(f"{path} is no checkpoint of `seewhy train`: give another --run")
    if found["identity"] != identity:
        raise TrainingError(
            f"{path} is of another run ({found['identity']}): give the same data, options and "
            "seed, or another --run"
        )
    state: dict[str, Any] = found["state"]
    return state
