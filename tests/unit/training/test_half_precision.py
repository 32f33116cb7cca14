"""`model.onnx` in fp16, beside PyTorch's own half precision."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx import TensorProto

from models.errors import ExportError
from models.golden import relative_l2
from models.manifest import Graph
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training.half_precision import to_fp16

Exported = Any
Export = Callable[[str], Exported]


def converted(directory: Path, target: Path) -> onnx.ModelProto:
    """`model.onnx` of a folder in fp16, written to another."""
    model = ir.from_proto(onnx.load(directory / "model.onnx"))
    to_fp16(model)
    ir.save(model, target / "model.onnx")
    return onnx.load(target / "model.onnx")


@pytest.fixture(scope="module", params=["squeezenet1_1", "lenet5"])
def backbone(exported: Export, request: pytest.FixtureRequest) -> Exported:
    return exported(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fp16")


@pytest.fixture(scope="module")
def half(backbone: Exported, folder: Path) -> onnx.ModelProto:
    return converted(backbone.directory, folder)


@pytest.mark.usefixtures("half")
def test_its_outputs_are_as_near_to_the_exact_ones_as_pytorchs_in_half_precision(
    backbone: Exported, folder: Path
) -> None:
    pixels: npt.NDArray[np.uint8] = backbone.problem.pixels
    found = open_session(folder / "model.onnx", choose(Provider.CPU)).run({"image": pixels})
    network = copy.deepcopy(backbone.network).half()
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2).half() / 255
    with torch.no_grad():
        theirs = network(image)

    for name in ("logits", "embedding"):
        exact = backbone.exact[name]
        error = relative_l2(found[name].astype(np.float64), exact)
        in_torch = relative_l2(getattr(theirs, name).double().numpy(), exact)
        assert 1e-5 < error <= 2 * in_torch, name


def test_inputs_and_outputs_keep_their_names_types_and_shapes(
    backbone: Exported, half: onnx.ModelProto
) -> None:
    before = onnx.load(backbone.directory / Graph.MODEL.filename, load_external_data=False)

    for found, expected in (
        (half.graph.input, before.graph.input),
        (half.graph.output, before.graph.output),
    ):
        assert [(v.name, v.type) for v in found] == [(v.name, v.type) for v in expected]
    onnx.checker.check_model(half, full_check=True)


def test_all_weights_but_the_classifiers_are_halved(
    backbone: Exported, half: onnx.ModelProto
) -> None:
    classifier = f"module.{backbone.network.classifier_name}."
    float32 = {
        tensor.name
        for tensor in half.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and tensor.name.startswith("module.")
    }

    assert float32 == {f"{classifier}weight", f"{classifier}bias"}


def test_pixels_are_normalised_before_they_are_rounded(half: onnx.ModelProto) -> None:
    model = onnx.shape_inference.infer_shapes(half)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    operators = [node.op_type for node in model.graph.node]
    before = model.graph.node[: operators.index("Conv")]

    assert {"Sub", "Div"} <= {node.op_type for node in before}
    for node in before:
        if node.op_type in {"Sub", "Div"}:
            assert types[node.output[0]] == TensorProto.FLOAT


def test_operators_that_name_their_type_make_float16(tmp_path: Path) -> None:
    # Whole numbers, which float16 holds exactly; a filler and a cast join what was halved.
    model = onnx.parser.parse_model("""
        <ir_version: 9, opset_import: ["" : 18]>
        body (float[N, 2] image) => (float[N, 2] logits)
        <float[2, 3] first = {1, 2, 3, 4, 5, 6}, float[3, 2] last = {1, 0, 0, 1, 1, 1}>
        {
            hidden = MatMul(image, first)
            shape = Shape(hidden)
            zeros = ConstantOfShape(shape)
            ones = ConstantOfShape <value = float[1] {1}> (shape)
            filled = Sum(hidden, zeros, ones)
            count = Size(hidden)
            times = Cast <to = 1> (count)
            scaled = Mul(filled, times)
            logits = MatMul(scaled, last)
        }
    """)
    half = ir.from_proto(onnx.shape_inference.infer_shapes(model))
    to_fp16(half)
    ir.save(half, tmp_path / "model.onnx")
    image = np.array([[1, 2], [3, 4]], dtype=np.float32)

    found = open_session(tmp_path / "model.onnx", choose(Provider.CPU)).run({"image": image})

    hidden = (image @ [[1, 2, 3], [4, 5, 6]] + 1) * 6
    np.testing.assert_array_equal(found["logits"], hidden @ [[1, 0], [0, 1], [1, 1]])


def test_the_same_model_gives_the_same_bytes(exported: Export, tmp_path: Path) -> None:
    source = exported("lenet5").directory
    first, second = (converted(source, tmp_path).SerializeToString() for _ in range(2))

    assert first == second


def test_a_model_of_one_layer_is_refused(exported: Export, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="one layer"):
        converted(exported("linear").directory, tmp_path)
