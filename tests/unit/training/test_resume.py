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
import sys

from torch.optim.optimizer import register_optimizer_step_post_hook

class Heard:
    # Sends the signal some optimizer steps after a line that begins so.
    def __init__(self, file, line, steps, number):
        self.file, self.line, self.steps, self.number = file, line, steps, number

    def write(self, text):
        written = self.file.write(text)
        if text.startswith(self.line):
            register_optimizer_step_post_hook(self.step)
            self.send_in_time()
        return written

    def step(self, *_):
        self.steps -= 1
        self.send_in_time()

    def send_in_time(self):
        if self.steps == 0:
            os.kill(os.getpid(), self.number)

    def __getattr__(self, name):
        return getattr(self.file, name)

sys.stderr = Heard(sys.stderr, sys.argv.pop(1), int(sys.argv.pop(1)), int(sys.argv.pop(1)))
"""
"""Sends itself a signal: however fast the machine, it is in the same work then."""

IN_AN_EPOCH = 3  # steps; an epoch has more


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


def stopped(words: Sequence[str], after: str, steps: int, number: int) -> str:
    """Send a signal some steps after a line that begins so; returns what was said until then."""
    stop = (after, str(steps), str(int(number)))
    done = ran([sys.executable, "-c", STOPPED + COMMAND, *stop, *words])
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
        said = stopped(words, "epoch 2 of", IN_AN_EPOCH, number)
        assert "epoch 3 of" not in said, "it is in the middle of it"
        assert said.endswith(resumable) is (number == signal.SIGINT)
    trained = stopped([*interrupted, "--resume"], "On 45 validation images", 0, signal.SIGINT)
    assert trained.endswith(resumable), "so it says until the model is published"

    for name, words in (("killed", killed), ("interrupted", interrupted)):
        assert not (folders[name] / "models").exists(), "nothing is published yet"
        finished([*words, "--resume"])
    weights = {
        (folder / "models" / "parity" / "1" / "weights.bin").read_bytes()
        for folder in folders.values()
    }
    assert len(weights) == 1
