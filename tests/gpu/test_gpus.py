"""What the driver says of its GPUs, against nvidia-smi."""

import shutil
import subprocess

import numpy as np
import pytest

from models.manifest import Graph
from models.repository import Repository
from service.runtime import hardware
from service.runtime.gpus import read_gpus
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose, every, missing_for
from service.settings import ZOO

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


@pytest.mark.skipif(missing_for(Provider.CUDA) is not None, reason="no CUDA for ONNX Runtime")
def test_every_gpu_runs_a_session_of_its_own_and_answers_the_same() -> None:
    bundle = Repository(ZOO).open("efficientnet_lite0")
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    answers = []
    for device in every(choose(Provider.CUDA)):
        assert hardware.name(device)
        session = open_graph(bundle, Graph.MODEL, device)
        options = session.session.get_provider_options()["CUDAExecutionProvider"]
        assert int(options["device_id"]) == device.number
        answers.append(session.run({"image": images})["logits"])
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], rtol=1e-3, atol=1e-3)
