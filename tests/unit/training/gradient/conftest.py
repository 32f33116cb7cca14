"""Small ONNX graphs whose appended gradient is held against autograd's in float64."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from models.golden import relative_l2
from training import float64
from training.gradient import append_gradient
from training.gradient.tape import Tape

BATCHES = (1, 2, 3, 4, 7)
OPSET = 18
IR_VERSION = 9
DTYPES = {"float32": 1e-5, "float64": 1e-12}
"""The largest relative L2 error, by the dtype of the graph."""

Arrays = dict[str, npt.NDArray[Any]]
Shapes = Mapping[str, tuple[int | str, ...]]
Reference = Callable[..., torch.Tensor]


def build(text: str, inputs: Shapes, constants: Arrays, dtype: str) -> ir.Model:
    """The graph of some node lines, its inner shapes inferred; its output is `y`."""
    types = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE}
    typed = {name: _of_dtype(array, dtype) for name, array in constants.items()}
    graph = onnx.parser.parse_graph(f"g () => () {{ {text} }}")
    graph.input.extend(
        helper.make_tensor_value_info(name, types[dtype], shape) for name, shape in inputs.items()
    )
    graph.output.append(helper.make_tensor_value_info("y", types[dtype], None))
    graph.initializer.extend(numpy_helper.from_array(array, n) for n, array in typed.items())
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    return ir.from_proto(onnx.shape_inference.infer_shapes(model, strict_mode=True))


def differentiate(model: ir.Model, wrt: str) -> ir.Model:
    """Add the input `dy` and the output `dx`: the gradient of `y` with respect to `wrt`."""
    graph = model.graph
    (y,) = graph.outputs
    dy = ir.Value(name="dy", type=y.type, shape=y.shape)
    values = {value.name: value for node in graph for value in node.outputs}
    values |= {value.name: value for value in graph.inputs}
    dx = append_gradient(graph, y, dy, values[wrt])
    graph.inputs.append(dy)
    dx = Tape(graph).op("Identity", dx)  # it may be dy itself
    dx.name = "dx"
    graph.outputs.append(dx)
    return model


def run(model: ir.Model, feeds: Arrays, dtype: str) -> Arrays:
    if dtype == "float64":
        return float64.run(model, feeds)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def relative_error(got: npt.NDArray[Any], expected: torch.Tensor) -> float:
    assert got.shape == tuple(expected.shape)
    exact = expected.detach().numpy()
    return relative_l2(got.astype(np.float64), exact)


def check(
    text: str,
    reference: Reference,
    inputs: Shapes,
    *,
    choices: tuple[float, ...] | None = None,
    spread: float = 1.0,
    positive: bool = False,
    **constants: npt.ArrayLike,
) -> None:
    """Compare a graph's output and gradients with PyTorch's, at several batch sizes.

    Args:
        text: nodes in ONNX's textual form; their result is `y`.
        reference: the same function in PyTorch, of the inputs and then the constants.
        inputs: shapes by name; "N" stands for the batch.
        choices: draw the inputs from these values alone, so that many are equal.
        spread: the inputs' standard deviation.
        positive: take the inputs' magnitude, away from zero.
        constants: weights and the like, by name.
    """
    arrays = {name: np.asarray(array) for name, array in constants.items()}
    random = np.random.default_rng(0)

    def draw(size: list[int]) -> npt.NDArray[np.float64]:
        if choices is not None:
            return random.choice(np.array(choices), size)
        normal = spread * np.asarray(random.normal(size=size))
        return np.abs(normal) + 0.5 if positive else normal

    for dtype, tolerance in DTYPES.items():
        for name in inputs:
            model = differentiate(build(text, inputs, arrays, dtype), name)
            for batch in BATCHES:
                feeds = {
                    key: np.asarray(
                        draw([n if isinstance(n, int) else batch for n in shape]), dtype
                    )
                    for key, shape in inputs.items()
                }
                error = compare(model, reference, feeds, arrays, name)
                assert error <= tolerance, f"{dtype}, {name}, batch {batch}: {error:.1e}"


def compare(
    model: ir.Model, reference: Reference, feeds: Arrays, constants: Arrays, wrt: str
) -> float:
    """The larger relative error of a graph's output and gradient, in the dtype of `feeds`."""
    dtype = feeds[wrt].dtype.name
    exact = {name: torch.tensor(array).double() for name, array in feeds.items()}
    fixed = {name: torch.tensor(_of_dtype(array, dtype)) for name, array in constants.items()}
    fixed = {name: t.double() if t.is_floating_point() else t for name, t in fixed.items()}
    exact[wrt].requires_grad_()
    y = reference(*exact.values(), *fixed.values())
    cotangent = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
    (expected,) = torch.autograd.grad(y, exact[wrt], torch.tensor(cotangent).double())
    outputs = run(model, {**feeds, "dy": cotangent}, dtype)
    # NumPy's maximum, unlike Python's, lets no NaN pass.
    return float(
        np.maximum(relative_error(outputs["y"], y), relative_error(outputs["dx"], expected))
    )


def _of_dtype(array: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    return np.asarray(array, dtype) if np.issubdtype(array.dtype, np.floating) else array


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """These arrays are so small that threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def check_gradient() -> Callable[..., None]:
    """See `check`."""
    return check


@pytest.fixture(scope="session")
def gradient_graph() -> Callable[..., ir.Model]:
    """(text, inputs, wrt, **constants) -> a float64 graph with its gradient."""

    def graph(text: str, inputs: Shapes, wrt: str, **constants: npt.ArrayLike) -> ir.Model:
        arrays = {name: np.asarray(array) for name, array in constants.items()}
        return differentiate(build(text, inputs, arrays, "float64"), wrt)

    return graph
