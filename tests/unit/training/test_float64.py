"""Graphs in double precision, held against ONNX Runtime's float32 kernels on small integers."""

import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from models.errors import ExportError
from training import float64

IMAGE = (2, 3, 7, 6)
GRID = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 0, 1]}

Array = npt.NDArray[Any]


def model(
    operator: str, x: Array, others: dict[str, Array], attributes: dict[str, Any]
) -> onnx.ModelProto:
    """One operator of `x` and some constants, in the dtype of `x`."""
    dtype = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *others], ["y"], **attributes)],
        "operator",
        [helper.make_tensor_value_info("x", dtype, x.shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(other, name) for name, other in others.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return onnx.shape_inference.infer_shapes(made, strict_mode=True)


def whole(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Small whole numbers, so that float32 makes no error."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("operator", "shape", "others", "attributes"),
    [
        ("Conv", IMAGE, {"w": whole((4, 3, 3, 3), 1), "b": whole((4,), 2)}, GRID),
        ("Conv", IMAGE, {"w": whole((6, 1, 3, 3), 1)}, {"group": 3, "dilations": [2, 1]}),
        (
            "ConvTranspose",
            IMAGE,
            {"w": whole((3, 4, 3, 3), 1), "b": whole((4,), 2)},
            {**GRID, "output_padding": [1, 0]},
        ),
        ("ConvTranspose", IMAGE, {"w": whole((3, 2, 3, 3), 1)}, {"group": 3, "dilations": [1, 2]}),
        ("MaxPool", IMAGE, {}, GRID),
        ("MaxPool", IMAGE, {}, {**GRID, "ceil_mode": 1}),
        ("AveragePool", IMAGE, {}, GRID),
        ("AveragePool", IMAGE, {}, {**GRID, "count_include_pad": 1}),
        ("AveragePool", IMAGE, {}, {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
        ("AveragePool", IMAGE, {}, {**GRID, "ceil_mode": 1}),
        ("AveragePool", IMAGE, {}, {**GRID, "ceil_mode": 1, "count_include_pad": 1}),
        ("Pad", IMAGE, {"pads": np.array([0, 0, 1, -2, 0, 0, -1, 3])}, {}),
        ("Pad", IMAGE, {"pads": np.array([0, 1, 0, 2] * 2), "value": np.float32(3)}, {}),
        ("MatMul", (2, 3, 4), {"b": whole((2, 4, 5), 1)}, {}),
        ("HardSigmoid", IMAGE, {}, {"alpha": 1 / 6, "beta": 0.5}),
        ("HardSigmoid", IMAGE, {}, {}),
        ("HardSwish", IMAGE, {}, {}),
        ("Erf", IMAGE, {}, {}),
    ],
)
def test_operators_agree_with_onnx_runtime(
    operator: str, shape: tuple[int, ...], others: dict[str, Array], attributes: dict[str, Any]
) -> None:
    x, others = whole(shape), {name: np.asarray(other) for name, other in others.items()}
    served = model(operator, x, others, attributes)
    session = onnxruntime.InferenceSession(
        served.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    doubled = {
        name: other.astype(np.float64) if other.dtype == np.float32 else other
        for name, other in others.items()
    }
    exact = model(operator, x.astype(np.float64), doubled, attributes)
    found = float64.run(ir.from_proto(exact), {"x": x.astype(np.float64)})
    (expected,) = session.run(None, {"x": x})
    assert found["y"].dtype == np.float64
    np.testing.assert_allclose(found["y"], expected, rtol=1e-6, atol=1e-6)


def test_nothing_is_rounded_to_float32() -> None:
    x = np.random.default_rng(0).normal(size=100)
    exact = model("HardSigmoid", x, {}, {"alpha": 1 / 6, "beta": 0.5})
    found = float64.run(ir.from_proto(exact), {"x": x})["y"]
    np.testing.assert_allclose(found, np.clip(x / 6 + 0.5, 0, 1), rtol=1e-15)


def test_what_is_not_covered_is_refused() -> None:
    x = whole(IMAGE).astype(np.float64)
    pads = {"pads": np.array([0, 0, 1, 1] * 2)}
    refused = ir.from_proto(model("Pad", x, pads, {"mode": "reflect"}))
    with pytest.raises(ExportError, match="Pad"):
        float64.run(refused, {"x": x})


def test_values_are_dropped_after_their_last_use() -> None:
    length, deep = 200_000, 40
    names = ["x", *(f"h{layer}" for layer in range(deep)), "y"]
    value = helper.make_tensor_value_info("x", onnx.TensorProto.DOUBLE, [length])
    graph = helper.make_graph(
        # Each but the first reads the two before it.
        [
            helper.make_node("Add", [names[max(at - 1, 0)], names[at]], [names[at + 1]])
            for at in range(deep + 1)
        ],
        "deep",
        [value],
        [helper.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, [length])],
    )
    chain = ir.from_proto(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    )
    tracemalloc.start()
    y = float64.run(chain, {"x": np.ones(length)})["y"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    fibonacci = [1, 2]
    while len(fibonacci) <= deep + 1:
        fibonacci.append(sum(fibonacci[-2:]))
    np.testing.assert_array_equal(y, np.full(length, float(fibonacci[deep + 1])))
    assert peak < 6 * 8 * length
