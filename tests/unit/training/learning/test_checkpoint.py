"""Checkpoints: whole or not there, and only of the run that they belong to."""

from pathlib import Path
from typing import Any

import pytest
import torch

from models.errors import TrainingError
from training.learning import checkpoint


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "weights": torch.arange(3.0),
        "epochs": [{"number": 0, "loss": float("nan")}],
    }

    checkpoint.save(tmp_path, "bees", state)
    found = checkpoint.load(tmp_path, "bees")

    assert found is not None
    assert torch.equal(found["weights"], state["weights"])
    assert str(found["epochs"]) == str(state["epochs"])
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_last_one_counts(tmp_path: Path) -> None:
    for epoch in (1, 2):
        checkpoint.save(tmp_path, "bees", {"epoch": epoch})

    assert checkpoint.load(tmp_path, "bees") == {"epoch": 2}


def test_where_there_is_none_there_is_none(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path, "bees") is None


def test_another_run_s_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, "bees", {})

    with pytest.raises(TrainingError, match=r"another run .bees.*another --run"):
        checkpoint.load(tmp_path, "ants")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_broken_one_is_refused(tmp_path: Path, content: bytes | None) -> None:
    checkpoint.save(tmp_path, "bees", {"weights": torch.zeros(1000)})
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)

    with pytest.raises(TrainingError, match="no checkpoint"):
        checkpoint.load(tmp_path, "bees")


@pytest.mark.parametrize("other", [{"state_dict": {}}, [1, 2]])
def test_that_of_another_program_is_refused(tmp_path: Path, other: object) -> None:
    torch.save(other, tmp_path / "checkpoint.pt")

    with pytest.raises(TrainingError, match=r"no checkpoint of .seewhy train.*another --run"):
        checkpoint.load(tmp_path, "bees")
