"""Reverse accumulation: sharing, branching, and what is refused."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import pytest
import torch

from models.errors import ExportError
from training.float64 import run
from training.gradient.rules import RULES

Check = Callable[..., None]
Graph = Callable[..., ir.Model]
Shape = tuple[int | str, ...]

X: dict[str, Shape] = {"x": ("N", 3, 4)}


def test_a_value_times_itself(check_gradient: Check) -> None:
    check_gradient("y = Mul(x, x)", lambda x: x * x, X)


def test_a_value_less_and_over_itself(check_gradient: Check) -> None:
    check_gradient(
        "q = Div(x, x)  d = Sub(x, x)  s = Add(q, d)  y = Mul(s, x)",
        lambda x: (x / x + (x - x)) * x,
        X,
        positive=True,
    )


def test_a_value_used_many_times_collects_every_gradient(check_gradient: Check) -> None:
    check_gradient(
        "a = Sigmoid(x)  b = Tanh(a)  c = Mul(a, b)  d = Neg(a)  e = Sum(a, b, c, d)"
        "  y = Mul(e, a)",
        lambda x: _many(x.sigmoid()),
        X,
    )


def _many(a: torch.Tensor) -> torch.Tensor:
    b = a.tanh()
    return (a + b + a * b - a) * a


def test_a_residual_branch(check_gradient: Check) -> None:
    check_gradient(
        "m = MatMul(x, w)  r = Relu(m)  s = Add(r, x)  m2 = MatMul(s, w)  y = Add(m2, s)",
        _residual,
        X,
        w=np.random.default_rng(0).normal(size=(4, 4)),
    )


def _residual(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    s = (x @ w).relu() + x
    return s @ w + s


def test_what_comes_after_the_output_and_beside_it_is_ignored(check_gradient: Check) -> None:
    check_gradient("y = Tanh(x)  beside = Ceil(x)  after = Floor(y)", lambda x: x.tanh(), X)


def test_shapes_are_no_path_of_the_gradient(check_gradient: Check) -> None:
    check_gradient(
        "s = Shape(x)  n = Slice(s, zero, one)  t = Concat<axis=0>(n, rest)  y = Reshape(x, t)",
        lambda x, *_: x.reshape(len(x), 12),
        X,
        zero=np.array([0]),
        one=np.array([1]),
        rest=np.array([12]),
    )


def test_a_mask_is_no_path_of_the_gradient(gradient_graph: Graph) -> None:
    graph = gradient_graph(
        "b = Greater(x, zero)  c = Cast<to=11>(b)  y = Mul(x, c)", X, "x", zero=np.float64(0)
    )
    x, dy = _normal(0), _normal(1)
    np.testing.assert_array_equal(run(graph, {"x": x, "dy": dy})["dx"], dy * (x > 0))


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_gradient_at_an_inner_value(gradient_graph: Graph, batch: int) -> None:
    graph = gradient_graph("h = Tanh(x)  s = Mul(h, h)  y = MatMul(s, w)", X, "h", w=2 * np.eye(4))
    x, dy = _normal(0, batch), _normal(1, batch)
    dx = run(graph, {"x": x, "dy": dy})["dx"]
    np.testing.assert_allclose(dx, 4 * np.tanh(x) * dy, rtol=1e-5)


def test_what_comes_before_an_inner_value_needs_no_rule(gradient_graph: Graph) -> None:
    graph = gradient_graph("h = Ceil(x)  y = Neg(h)", X, "h")
    x, dy = _normal(0), _normal(1)
    np.testing.assert_array_equal(run(graph, {"x": x, "dy": dy})["dx"], -dy)


def test_the_gradient_at_the_output_itself_is_the_cotangent(gradient_graph: Graph) -> None:
    graph = gradient_graph("y = Ceil(x)", X, "y")
    dy = _normal(1)
    np.testing.assert_array_equal(run(graph, {"x": _normal(0), "dy": dy})["dx"], dy)


def test_the_gradient_has_the_type_and_shape_of_its_value(gradient_graph: Graph) -> None:
    graph = gradient_graph("y = MatMul(x, w)", X, "x", w=np.ones((4, 2)))
    graph_output = graph.graph.outputs[-1].producer()
    assert graph_output is not None
    (dx,) = graph_output.inputs
    assert dx is not None
    assert dx.dtype is ir.DataType.DOUBLE
    assert dx.shape == graph.graph.inputs[0].shape


@pytest.mark.parametrize(
    "text",
    [
        "s = ReduceMean<keepdims=0>(x, axes) y = LayerNormalization(w, s)",
        "b = ReduceMean<keepdims=0>(x, axes) y = LayerNormalization(w, w, b)",
    ],
)
def test_a_gradient_that_a_rule_would_pass_over_is_refused(
    gradient_graph: Graph, text: str
) -> None:
    weights = np.ones(4)
    with pytest.raises(ExportError, match="LayerNormalization has no gradient for one of"):
        gradient_graph(text, {"x": (2, 4)}, "x", w=weights, axes=np.array([0]))


def test_the_gradient_at_the_gate_of_a_swish(gradient_graph: Graph) -> None:
    model = gradient_graph("s = Sigmoid(x) y = Mul(x, s)", {"x": ("N", 4)}, "s")
    x, dy = _normal(0), _normal(1)
    np.testing.assert_allclose(run(model, {"x": x, "dy": dy})["dx"], dy * x)


def test_an_operator_without_a_rule_is_named(gradient_graph: Graph) -> None:
    assert "Atan" not in RULES
    with pytest.raises(ExportError, match="no gradient rule for the operator Atan"):
        gradient_graph("a = Atan(x)  y = Neg(a)", X, "x")


@pytest.mark.parametrize(
    ("text", "wrt"),
    [("y = Neg(other)", "x"), ("s = Shape(x)  f = Cast<to=11>(s)  y = Neg(f)", "x"),
     ("y = Neg(x)  after = Neg(y)", "after")],
)  # fmt: skip
def test_an_output_that_does_not_depend_on_the_value_is_refused(
    gradient_graph: Graph, text: str, wrt: str
) -> None:
    with pytest.raises(ExportError, match=f"y does not depend on {wrt}"):
        gradient_graph(text, {**X, "other": ("N", 3, 4)}, wrt)


def test_a_second_output_that_is_used_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="only the first output of BatchNormalization"):
        gradient_graph(
            "a, m, v = BatchNormalization<training_mode=1>(x, s, s, s, s)  y = Neg(m)",
            X,
            "x",
            s=np.ones(3),
        )


def _normal(seed: int, batch: int = 2) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(batch, 3, 4))
