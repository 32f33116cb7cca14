"""What the driver says of its GPUs, against nvidia-smi."""

import shutil
import subprocess

import pytest

from service.runtime.gpus import read_gpus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="nvidia-smi is not installed"),
]


def test_each_gpu_has_the_memory_that_nvidia_smi_tells() -> None:
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60)
    expected = [int(line) for line in done.stdout.splitlines()]

    found = read_gpus()

    assert [gpu.memory_total // 2**20 for gpu in found] == expected
    assert all(0 < gpu.memory_used <= gpu.memory_total for gpu in found)
