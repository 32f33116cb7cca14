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


@pytest.mark.parametrize(
    ("root", "one", "half"), [(1.5, 1.0, 0.5), (np.sqrt(2), 0.9, 0.5), (np.sqrt(2), 1.0, 0.7)]
)
def test_what_only_resembles_gelu(
    check_gradient: Check, root: float, one: float, half: float
) -> None:
    check_gradient(
        "d = Div(x, root)  e = Erf(d)  o = Add(e, one)  p = Mul(x, o)  y = Mul(p, half)",
        lambda x, root, one, half: half * x * (one + torch.erf(x / root)),
        X,
        root=np.float64(root),
        one=np.float64(one),
        half=np.float64(half),
    )


def test_gelu_of_which_a_part_is_used_elsewhere(check_gradient: Check) -> None:
    check_gradient(
        "d = Div(x, root)  e = Erf(d)  o = Add(e, one)  p = Mul(x, o)  g = Mul(p, half)"
        "  y = Add(g, p)",
        lambda x, *_: 3 * functional.gelu(x),
        X,
        root=np.sqrt(2.0),
        one=np.float64(1),
        half=np.float64(0.5),
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


TINY = float(np.finfo(np.float32).tiny)


def beside(number: float) -> tuple[float, float, float]:
    """A number with its two neighbours in float32."""
    below, above = (np.nextafter(np.float32(number), np.float32(side)) for side in (-99, 99))
    return float(below), number, float(above)


@pytest.mark.parametrize(
    ("text", "reference", "choices"),
    [
        ("y = Relu(x)", torch.relu, (-1, -TINY, -0.0, 0, TINY, 1)),
        ("y = Clip(x, low, high)", lambda x, *_: functional.relu6(x), (*beside(6), TINY, 0, -TINY)),
        ("y = Clip(x, high, top)", lambda x, *_: functional.hardtanh(x, 6, 7),
         (*beside(6), *beside(7))),
        ("y = HardSwish(x)", functional.hardswish, (-4, -3, -2, 0, 2, 3, 4)),
        ("y = HardSigmoid<alpha=0.5, beta=0.5>(x)", lambda x, *_: (x / 2 + 0.5).clamp(0, 1),
         (*beside(-1.5), *beside(1.5), 0)),
    ],
)  # fmt: skip
def test_the_bends_of_an_activation_are_exact(
    check_gradient: Check,
    text: str,
    reference: Callable[[torch.Tensor], torch.Tensor],
    choices: tuple[float, ...],
) -> None:
    limits = {"low": 0.0, "high": 6.0, "top": 7.0}
    used = {name: np.float64(limit) for name, limit in limits.items() if name in text}
    check_gradient(text, reference, X, choices=choices, **used)


def test_a_sigmoid_beside_the_silu_it_makes(check_gradient: Check) -> None:
    check_gradient(
        "s = Sigmoid(x)  m = Mul(x, s)  n = Mul(s, x)  o = Mul(m, s)  y = Add(o, n)",
        lambda x: x * x.sigmoid() ** 2 + x * x.sigmoid(),
        X,
    )


def test_a_gate_that_is_the_sigmoid_of_something_else(check_gradient: Check) -> None:
    check_gradient(
        "s = Sigmoid(b)  y = Mul(a, s)",
        lambda a, b: a * b.sigmoid(),
        {"a": ("N", 3, 4, 4), "b": ("N", 3, 1, 1)},
    )


def test_a_power_of_the_image_to_the_image_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="exponent is not a constant"):
        gradient_graph("y = Pow(x, x)", {"x": ("N", 3)}, "x")
