"""`model.onnx` in int8: its numbers against the definition of quantization."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx_ir import to_proto

from models.errors import ExportError
from models.golden import relative_l2
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training.quantization import to_int8

Exported = Any
Export = Callable[[str], Exported]
Crops = npt.NDArray[np.uint8]


def quantized(backbone: Exported, crops: Crops, *, seed: int = 0) -> onnx.ModelProto:
    model = onnx.load(backbone.directory / "model.onnx")
    return to_proto(to_int8(model, crops, seed=seed))


@pytest.fixture(scope="module")
def backbone(exported: Export) -> Exported:
    return exported("squeezenet1_1")


@pytest.fixture(scope="module")
def model(backbone: Exported) -> onnx.ModelProto:
    return quantized(backbone, backbone.problem.pixels)


def arrays(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.generic]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def dequantized(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.float64]]:
    """Each weight as the graph computes with it, by the name of its int8 tensor."""
    stored, found = arrays(model), {}
    for node in model.graph.node:
        weight = stored.get(node.input[0])
        if node.op_type == "DequantizeLinear" and weight is not None and weight.dtype == np.int8:
            scale, zero = (stored[name].astype(np.float64) for name in node.input[1:])
            assert not zero.any()
            found[node.input[0]] = weight.astype(np.float64) * scale.reshape(-1, 1, 1, 1)
    return found


def test_weights_are_rounded_to_127_steps_of_their_channels_largest(
    backbone: Exported, model: onnx.ModelProto
) -> None:
    float32 = arrays(onnx.load(backbone.directory / "model.onnx"))
    found = dequantized(model)
    classifier = f"module.{backbone.network.classifier_name}.weight"
    layers = {name for name in float32 if name.endswith(".weight") and name != classifier}

    assert {name.removesuffix("_quantized") for name in found} == layers
    for name, values in found.items():
        weight = float32[name.removesuffix("_quantized")].astype(np.float64)
        step = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / 127
        np.testing.assert_allclose(values, np.round(weight / step) * step, atol=1.001 * step.max())
        assert (np.abs(values - weight) <= 0.501 * step).all()


def test_the_classifier_and_the_normalisation_stay_float32(
    backbone: Exported, model: onnx.ModelProto
) -> None:
    operators = [node.op_type for node in model.graph.node if node.op_type != "DequantizeLinear"]
    first = operators.index("QuantizeLinear")
    weight = f"module.{backbone.network.classifier_name}.weight"
    (reader,) = (node for node in model.graph.node if weight in node.input)
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}

    assert {"Cast", "Sub", "Div"} <= set(operators[:first])
    assert reader.op_type == "Conv"
    assert types[weight] == TensorProto.FLOAT


def test_its_answers_are_near_the_exact_ones(
    backbone: Exported, model: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("int8") / "model.onnx"
    onnx.save(model, path)
    onnx.checker.check_model(model, full_check=True)
    before = onnx.load(backbone.directory / "model.onnx", load_external_data=False)

    session = open_session(path, choose(Provider.CPU))
    found = session.run({"image": backbone.problem.pixels})

    assert model.graph.output == before.graph.output
    for name in ("logits", "embedding"):
        error = relative_l2(found[name].astype(np.float64), backbone.exact[name])
        assert 1e-4 < error < 0.1, name


def test_the_seed_chooses_the_images_that_set_the_ranges(exported: Export) -> None:
    backbone = exported("lenet5")
    generator = np.random.default_rng(0)
    size = backbone.problem.pixels.shape[1:]
    # Each image is brighter than the one before, so that the choice decides the ranges.
    crops = np.stack([generator.integers(0, top, size, dtype=np.uint8) for top in range(2, 256)])

    first, same, other = (
        quantized(backbone, crops, seed=seed).SerializeToString() for seed in (0, 0, 1)
    )

    assert first == same
    assert first != other


def test_nothing_of_the_machine_is_written(model: onnx.ModelProto) -> None:
    assert not model.metadata_props
    assert {opset.domain for opset in model.opset_import} == {""}


def test_a_model_of_one_layer_is_refused(exported: Export) -> None:
    backbone = exported("linear")

    with pytest.raises(ExportError, match="one layer"):
        quantized(backbone, backbone.problem.pixels)


def test_what_the_quantizer_cannot_do_is_our_error(backbone: Exported) -> None:
    with pytest.raises(ExportError, match="cannot be quantized"):
        quantized(backbone, np.zeros((2, 5, 5, 3), dtype=np.uint8))
