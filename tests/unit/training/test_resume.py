"""`seewhy train` killed in the middle of an epoch, and taken up again."""

import signal
import subprocess
import sys
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

STOPPED = """
import os
import signal
import sys

class Heard:
    # Starts the clock when a line begins so.
    def __init__(self, file, line):
        self.file, self.line = file, line

    def write(self, text):
        if text.startswith(self.line):
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)
        return self.file.write(text)

    def __getattr__(self, name):
        return getattr(self.file, name)

line, number = sys.argv.pop(1), int(sys.argv.pop(1))
signal.signal(signal.SIGVTALRM, lambda *_: os.kill(os.getpid(), number))
sys.stderr = Heard(sys.stderr, line)
"""
"""Sends itself a signal soon after a line that it says.

The clock is the time that it computes: however busy the machine, it is in the same work then.
"""


def arguments(photos: Path, folder: Path) -> list[str]:
    """Training that takes some seconds and beats its probe."""
    return [
        "train", str(photos), "--output", str(folder / "models"), "--run", str(folder / "run"),
        "--backbone", "lenet5", "--weights", "none", "--strategy", "finetune", "--epochs", "20",
        "--rate", "0.003",
    ]  # fmt: skip


def finished(words: Sequence[str]) -> None:
    done = ran([sys.executable, "-c", COMMAND, *words])
    assert done.returncode == 0, done.stderr
    assert "the trained network is published" in done.stderr


def stopped(words: Sequence[str], after: str, number: int) -> str:
    """Send a signal soon after a line that begins so; returns what was said until then."""
    done = ran([sys.executable, "-c", STOPPED + COMMAND, after, str(int(number)), *words])
    code = 130 if number == signal.SIGINT else -number
    assert done.returncode == code, done.stderr
    return done.stderr


def ran(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS)


@pytest.mark.slow
@pytest.mark.smoke
def test_killed_or_interrupted_it_goes_on_to_the_same_weights(parity: Path, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("whole", "killed", "interrupted")}
    whole, killed, interrupted = (arguments(parity, folder) for folder in folders.values())
    resumable = f"--resume goes on from {folders['interrupted']}/run/checkpoint.pt\n"
    finished(whole)

    for words, number in ((killed, signal.SIGKILL), (interrupted, signal.SIGINT)):
        said = stopped(words, "epoch 2 of", number)
        assert "epoch 3 of" not in said, "it is in the middle of it"
        assert said.endswith(resumable) is (number == signal.SIGINT)
    trained = stopped([*interrupted, "--resume"], "On 45 validation images", signal.SIGINT)
    assert trained.endswith(resumable), "so it says until the model is published"

    for name, words in (("killed", killed), ("interrupted", interrupted)):
        assert not (folders[name] / "models").exists(), "nothing is published yet"
        finished([*words, "--resume"])
    weights = {
        (folder / "models" / "parity" / "1" / "weights.bin").read_bytes()
        for folder in folders.values()
    }
    assert len(weights) == 1
