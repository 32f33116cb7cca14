"""The gradient of elementwise operators and of broadcasting."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch.nn import functional

from models.errors import ExportError

Check = Callable[..., None]
Graph = Callable[..., ir.Model]
Shape = tuple[int | str, ...]

X: dict[str, Shape] = {"x": ("N", 3, 4, 5)}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (("N", 3, 4), ("N", 3, 4)),
        (("N", 3, 4), (3, 4)),
        (("N", 3, 4), (4,)),
        (("N", 3, 4), ()),
        (("N", 3, 4), (1, 3, 1)),
        (("N", 3, 4), ("N", 1, 1)),
        (("N", 3, 1), (1, 1, 4)),
        ((3, 1), ("N", 1, 4)),
        ((4,), ("N", 3, 1)),
        (("N", 1), ("N", 4)),
    ],
)
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
def test_broadcasting(check_gradient: Check, operator: str, a: Shape, b: Shape) -> None:
    function = getattr(torch, operator.lower())
    check_gradient(f"y = {operator}(a, b)", function, {"a": a, "b": b}, positive=True)


def test_the_sum_of_many(check_gradient: Check) -> None:
    check_gradient(
        "y = Sum(a, b, c, a)",
        lambda a, b, c: 2 * a + b + c,
        {"a": ("N", 3, 4), "b": (3, 1), "c": ("N", 1, 4)},
    )


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("y = Neg(x)", torch.neg),
        ("y = Identity(x)", torch.clone),
        ("y = Relu(x)", torch.relu),
        ("y = Sigmoid(x)", torch.sigmoid),
        ("y = Tanh(x)", torch.tanh),
        ("y = Erf(x)", torch.erf),
        ("y = HardSwish(x)", functional.hardswish),
        # PyTorch's own hard sigmoid multiplies its gradient by a float32 sixth.
        ("y = HardSigmoid<alpha=0.16666667, beta=0.5>(x)", lambda x: (x / 6 + 0.5).clamp(0, 1)),
        ("s = Sigmoid(x)  y = Mul(x, s)", functional.silu),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_activations(
    check_gradient: Check,
    text: str,
    reference: Callable[[torch.Tensor], torch.Tensor],
    spread: float,
) -> None:
    check_gradient(text, reference, X, spread=spread)


def test_hard_sigmoid_without_attributes(check_gradient: Check) -> None:
    check_gradient("y = HardSigmoid(x)", lambda x: (0.2 * x + 0.5).clamp(0, 1), X, spread=3)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(check_gradient: Check, approximate: str) -> None:
    exact = "d = Div(x, root2)  e = Erf(d)  o = Add(e, one)  p = Mul(x, o)  y = Mul(p, half)"
    by_tanh = (
        "c = Pow(x, three)  i = Mul(c, cubic)  s = Add(x, i)  t = Mul(s, inner)"
        "  e = Tanh(t)  o = Add(e, one)  p = Mul(x, o)  y = Mul(p, half)"
    )
    check_gradient(
        exact if approximate == "none" else by_tanh,
        lambda x, *_: functional.gelu(x, approximate=approximate),
        X,
        root2=np.sqrt(2.0),
        one=np.float64(1),
        half=np.float64(0.5),
        three=np.float64(3),
        cubic=np.float64(0.044715),
        inner=np.sqrt(2 / np.pi),
    )


def test_relu6(check_gradient: Check) -> None:
    check_gradient(
        "y = Clip(x, low, high)",
        lambda x, *_: functional.relu6(x),
        X,
        spread=5,
        low=np.float64(0),
        high=np.float64(6),
    )


@pytest.mark.parametrize("bound", ["low", "high"])
def test_clipping_on_one_side(check_gradient: Check, bound: str) -> None:
    text = "y = Clip(x, low)" if bound == "low" else 'y = Clip(x, "", high)'
    limits = {"low": (0.5, None), "high": (None, 0.5)}[bound]
    check_gradient(text, lambda x, *_: x.clamp(*limits), X, **{bound: np.float64(0.5)})


@pytest.mark.parametrize("exponent", [2.0, 3.0, 0.5, -1.0, -0.5, 1.0])
def test_powers(check_gradient: Check, exponent: float) -> None:
    check_gradient("y = Pow(x, p)", lambda x, p: x.pow(p), X, positive=True, p=np.float64(exponent))


def test_the_square_of_a_negative_number(check_gradient: Check) -> None:
    check_gradient("y = Pow(x, p)", lambda x, p: x.pow(p), X, p=np.float64(2))


def test_the_square_root(check_gradient: Check) -> None:
    check_gradient("y = Sqrt(x)", lambda x: x.sqrt(), X, positive=True)


def test_nothing_flows_where_an_activation_is_flat(check_gradient: Check) -> None:
    # At the very bends, autograd's convention is followed: these inputs hit them often.
    check_gradient("y = Relu(x)", lambda x: x.relu(), X, levels=1.0, spread=2)
    check_gradient(
        "y = Clip(x, low, high)",
        lambda x, *_: functional.relu6(x),
        X,
        levels=3.0,
        spread=6,
        low=np.float64(0),
        high=np.float64(6),
    )
    check_gradient("y = HardSwish(x)", functional.hardswish, X, levels=3.0, spread=6)


def test_a_power_of_the_image_to_the_image_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="exponent is not a constant"):
        gradient_graph("y = Pow(x, x)", {"x": ("N", 3)}, "x")
