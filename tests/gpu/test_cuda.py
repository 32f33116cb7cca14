"""The default bundle on a CUDA device, against its PyTorch original in float64."""

import copy

import numpy as np
import pytest
import torch

from models.manifest import Graph
from models.repository import Repository
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose, missing_for
from service.settings import ZOO

MISSING = missing_for(Provider.CUDA)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(MISSING is not None, reason=f"no CUDA: {MISSING}"),
]


@pytest.mark.parametrize("graph", list(Graph))
def test_every_graph_reproduces_its_golden_outputs_on_cuda(graph: Graph) -> None:
    bundle = Repository(ZOO).open("efficientnet_lite0")
    session = open_graph(bundle, graph, choose(Provider.CUDA))
    assert session.session.get_providers()[0] == "CUDAExecutionProvider"


def test_auto_chooses_cuda() -> None:
    assert choose(Provider.AUTO).provider is Provider.CUDA


def test_the_logits_on_cuda_are_those_of_the_original(lite0: torch.nn.Module) -> None:
    bundle = Repository(ZOO).open("efficientnet_lite0")
    images = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    session = open_graph(bundle, Graph.MODEL, choose(Provider.CUDA))
    found = session.run({"image": images})["logits"]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 127.5 - 1
    with torch.inference_mode():
        expected = copy.deepcopy(lite0).double()(pixels).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
