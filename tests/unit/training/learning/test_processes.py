"""Several processes that train as one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from training.learning.processes import Processes

TOGETHER = """
import json, sys
import numpy as np, torch
from training.backbones import backbone
from training.finetune import Run, finetune
from training.instrument import Instrumented
from training.learning.batches import Examples
from training.learning.processes import joined
from training.recipe import Recipe

torch.manual_seed(0)
random = np.random.default_rng(0)
chosen = backbone("lenet5")
network = Instrumented(chosen.build(3), chosen, chosen.preprocessing).eval()
labels = np.arange(64) % 3
crops = (random.integers(128, size=(64, 32, 32, 3)) + 60 * labels[:, None, None, None])
examples = Examples(crops.astype(np.uint8), labels)
batch, accumulate, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
recipe = Recipe(epochs=2, rate=1e-3, batch=batch, accumulate=accumulate, balance="weights")
with joined() as processes:
    history = finetune(network, examples, examples.of(np.arange(21)), recipe,
                       Run(processes=processes))
if processes.first:
    losses = torch.tensor([[epoch.training_loss, epoch.score.loss] for epoch in history.epochs[1:]])
    torch.save({**network.module.state_dict(), "losses": losses}, path)
"""


def test_one_process_is_alone() -> None:
    alone = Processes.alone()

    own = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert alone.first
    assert alone.total(2.5) == 2.5
    np.testing.assert_array_equal(alone.gathered(own, 3), own)


@pytest.mark.slow
@pytest.mark.smoke
def test_two_processes_do_what_one_does_with_twice_the_batch(tmp_path: Path) -> None:
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    for processes, batch, accumulate in ((1, 16, 1), (2, 8, 1), (2, 4, 2)):
        done = subprocess.run(
            [
                sys.executable, *run, str(processes), str(script), str(batch), str(accumulate),
                str(tmp_path / f"{processes}x{batch}.pt"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    alone = torch.load(tmp_path / "1x16.pt")
    for name in ("2x8.pt", "2x4.pt"):
        together = torch.load(tmp_path / name)
        for key, tensor in alone.items():
            torch.testing.assert_close(together[key], tensor, rtol=1e-4, atol=1e-6, msg=key)
