"""`seewhy train` killed in the middle of an epoch, and taken up again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

SECONDS = 240


COMMAND = """
import signal
from seewhy.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us deaf to it
main()
"""


def command(photos: Path, folder: Path) -> list[str]:
    """Training that takes some seconds and beats its probe."""
    return [
        sys.executable, "-c", COMMAND, "train", str(photos),
        "--output", str(folder / "models"), "--run", str(folder / "run"), "--backbone", "lenet5",
        "--weights", "none", "--strategy", "finetune", "--epochs", "10", "--rate", "0.003",
    ]  # fmt: skip


def finished(words: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert "the trained network is published" in done.stderr


def stopped(words: Sequence[str], folder: Path, number: int) -> int:
    """Send a signal after the second epoch; returns the exit code."""
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    journal, deadline = folder / "run" / "metrics.jsonl", time.monotonic() + SECONDS
    while not (journal.exists() and len(journal.read_text().splitlines()) >= 2):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert said.endswith(f"--resume goes on from {folder}/run/checkpoint.pt\n")
    return process.returncode


@pytest.mark.slow
@pytest.mark.smoke
def test_killed_or_interrupted_it_goes_on_to_the_same_weights(parity: Path, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("whole", "killed", "interrupted")}
    finished(command(parity, folders["whole"]))

    killed = stopped(command(parity, folders["killed"]), folders["killed"], signal.SIGKILL)
    interrupted = stopped(
        command(parity, folders["interrupted"]), folders["interrupted"], signal.SIGINT
    )
    for name in ("killed", "interrupted"):
        assert not (folders[name] / "models").exists(), "nothing is published yet"
        finished([*command(parity, folders[name]), "--resume"])

    assert (killed, interrupted) == (-signal.SIGKILL, 130)
    weights = {
        (folder / "models" / "parity" / "1" / "weights.bin").read_bytes()
        for folder in folders.values()
    }
    assert len(weights) == 1
