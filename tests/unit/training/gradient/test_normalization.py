"""The gradient of reductions, softmax and normalisation."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from torch.nn import functional

from models.errors import ExportError

Check = Callable[..., None]
Graph = Callable[..., ir.Model]

RANDOM = np.random.default_rng(0)


def test_a_reduction_over_no_axes_that_says_so_does_nothing(check_gradient: Check) -> None:
    text = "y = ReduceMean<noop_with_empty_axes=1>(x)"
    check_gradient(text, lambda x: x, {"x": ("N", 3)})


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [(2, 3), (-1,), (1, 3), (-2, -1)])
@pytest.mark.parametrize("operator", ["mean", "sum"])
def test_reductions(
    check_gradient: Check, operator: str, axes: tuple[int, ...], keepdims: int
) -> None:
    check_gradient(
        f"y = Reduce{operator.capitalize()}<keepdims={keepdims}>(x, axes)",
        lambda x, axes: getattr(x, operator)(dim=axes.tolist(), keepdim=bool(keepdims)),
        {"x": ("N", 3, 4, 5)},
        axes=np.array(axes),
    )


def test_a_sum_over_everything(check_gradient: Check) -> None:
    check_gradient("y = ReduceSum<keepdims=0>(x)", lambda x: x.sum(), {"x": ("N", 3, 4)})


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_softmax(check_gradient: Check, axis: int, spread: float) -> None:
    check_gradient(
        f"y = Softmax<axis={axis}>(x)",
        lambda x: x.softmax(dim=axis),
        {"x": ("N", 3, 7)},
        spread=spread,
    )


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("epsilon", [1e-5, 1e-6, 0.25])
def test_layer_norm_over_the_last_axes(check_gradient: Check, axes: int, epsilon: float) -> None:
    shape = (6, 5)[-axes:]
    # The attribute is a float32, in whatever dtype the graph computes.
    stored = float(np.float32(epsilon))
    check_gradient(
        f"y = LayerNormalization<axis={-axes}, epsilon={epsilon}>(x, scale, bias)",
        lambda x, scale, bias: functional.layer_norm(x, shape, scale, bias, stored),
        {"x": ("N", 4, 6, 5)},
        scale=RANDOM.normal(size=shape),
        bias=RANDOM.normal(size=shape),
    )


@pytest.mark.parametrize("size", [(), (4,), (4, 5)])
def test_batch_norm_in_evaluation(check_gradient: Check, size: tuple[int, ...]) -> None:
    check_gradient(
        "y = BatchNormalization<epsilon=0.125>(x, scale, bias, mean, variance)",
        lambda x, scale, bias, mean, variance: functional.batch_norm(
            x, mean, variance, scale, bias, eps=0.125
        ),
        {"x": ("N", 3, *size)},
        scale=RANDOM.normal(size=3),
        bias=RANDOM.normal(size=3),
        mean=RANDOM.normal(size=3),
        variance=RANDOM.uniform(0.5, 2, size=3),
    )


def test_batch_norm_in_training_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="training mode"):
        gradient_graph(
            "y, m, v = BatchNormalization<training_mode=1>(x, one, one, one, one)",
            {"x": ("N", 3, 4, 4)},
            "x",
            one=np.ones(3),
        )


def test_axes_made_from_the_image_are_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="not a constant"):
        gradient_graph(
            "s = Shape(x)  one = Slice(s, from, to)  y = ReduceSum<keepdims=0>(x, one)",
            {"x": ("N", 3, 4)},
            "x",
            **{"from": np.array([0]), "to": np.array([1])},
        )


def test_an_average_over_the_batch_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="depends on the batch"):
        gradient_graph("y = ReduceMean(x, axes)", {"x": ("N", 3)}, "x", axes=np.array([0]))
