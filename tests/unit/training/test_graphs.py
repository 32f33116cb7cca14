"""The graphs of real architectures, held against autograd in float64.

Where a ReLU's input or two candidates of a max pool are equal to within rounding, any two
float32 programs may take different sides, and the gradient jumps. So float32 gradients are
judged beside PyTorch's own in float32, and the formulas by graphs in double precision.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from torch import nn

from models.golden import cosine, relative_l2
from models.manifest import Graph
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training import float64, weights_file
from training.zoo.accuracy import median_ratio

Exported = Any
Export = Callable[[str], Exported]
Floats = npt.NDArray[np.float64]

TIES = 2e-5
"""How much cosine may lie between the medians of two float32 programs on six images: twice what
ties cost EfficientNet-Lite0, the worst of these, and seven orders more than rounding costs."""

SMALL = ("lenet5", "mlp", "linear")
ORDINARY = (
    "squeezenet1_1", "resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0", "googlenet", "swin_t",
)  # fmt: skip
SLOW = ("efficientnet_lite0", "densenet121", "convnext_tiny", "vit_b_16")

SMOKE = "regnet_y_400mf"

every_backbone = pytest.mark.parametrize(
    "name",
    [
        *SMALL,
        *ORDINARY,
        *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
        pytest.param(SMOKE, marks=[pytest.mark.slow, pytest.mark.smoke]),
    ],
)


@every_backbone
def test_forward_outputs_are_those_of_float64(exported: Export, name: str) -> None:
    backbone = exported(name)
    for graph in backbone.sessions:
        for key, found in backbone.run(graph).items():
            if key not in {"logits", "embedding", "activations"}:
                continue
            errors = list(map(relative_l2, found, backbone.exact[key]))
            assert np.max(errors) <= 1e-5, (graph, key)


@every_backbone
def test_float32_gradients_are_as_good_as_those_of_pytorch(exported: Export, name: str) -> None:
    backbone = exported(name)
    for graph, key in backbone.gradients:
        exact, in_torch = backbone.exact[key], backbone.torch32[key]
        found = backbone.run(graph)[key]
        # Image by image: a tie moves the whole gradient of its image.
        medians = (
            np.median(np.abs(got - exact).reshape(len(exact), -1), axis=1)
            for got in (found, in_torch)
        )
        assert median_ratio(*medians) <= 2, graph
        ours, theirs = (
            float(np.median(list(map(cosine, got, exact)))) for got in (found, in_torch)
        )
        assert ours >= theirs - TIES, graph


@every_backbone
def test_gradients_in_double_precision_are_exact(exported: Export, name: str) -> None:
    backbone, images = exported(name), slice(0, 2)
    for graph, key in backbone.gradients:
        found = float64.run(backbone.float64_graphs[graph], in_double(backbone, graph, images))
        for output in ("logits", key):
            expected = backbone.exact[output][images]
            assert relative_l2(found[output], expected) <= 1e-9, (graph, output)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("name", ["mlp", "linear"])  # ONNX Runtime has no float64 convolution
def test_onnx_runtime_computes_exact_gradients_in_double_precision(
    exported: Export, tmp_path: Path, name: str, batch: int
) -> None:
    backbone, images = exported(name), slice(0, batch)
    weights_file.save({g: m.clone() for g, m in backbone.float64_graphs.items()}, tmp_path)
    for graph, key in backbone.gradients:
        session = open_session(tmp_path / graph.filename, choose(Provider.CPU))
        found = session.run(in_double(backbone, graph, images))[key]
        assert relative_l2(found, backbone.exact[key][images]) <= 1e-9


@pytest.mark.parametrize("graph", [Graph.MODEL, Graph.GRADIENT])
def test_onnx_runtime_merges_the_operators_of_gelu(
    exported: Export, tmp_path: Path, graph: Graph
) -> None:
    backbone = exported("swin_t")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(
        backbone.directory / graph.filename, options, providers=["CPUExecutionProvider"]
    )
    optimized = onnx.load(tmp_path / "optimized.onnx", load_external_data=False)
    blocks = sum(isinstance(module, nn.GELU) for module in backbone.network.modules())
    merged = [node for node in optimized.graph.node if node.op_type in {"Gelu", "BiasGelu"}]
    assert len(merged) == blocks > 0


def in_double(backbone: Exported, graph: Graph, images: slice) -> dict[str, Floats]:
    inputs = [value.name for value in backbone.float64_graphs[graph].graph.inputs]
    feeds = backbone.problem.of(images).feeds(graph, inputs)
    return {name: values.astype(np.float64) for name, values in feeds.items()}
