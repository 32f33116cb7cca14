"""The gradient of operators that move values around."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch.nn import functional

from models.errors import ExportError

Check = Callable[..., None]
Graph = Callable[..., ir.Model]

X: dict[str, tuple[int | str, ...]] = {"x": ("N", 4, 6, 5)}


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("y = Reshape(x, s)", [-1, 120]),
        ("y = Reshape(x, s)", [0, 4, 30]),
        ("y = Reshape(x, s)", [0, 2, 2, 6, 5]),
        ("y = Flatten(x)", None),
        ("y = Unsqueeze(x, s)", [1, -1]),
        ("u = Unsqueeze(x, s)  y = Squeeze(u, s)", [2]),
    ],
)
def test_shapes_go_back(check_gradient: Check, text: str, shape: list[int] | None) -> None:
    def reference(x: torch.Tensor, s: torch.Tensor | None = None) -> torch.Tensor:
        if "Flatten" in text:
            return x.flatten(1)
        if "Squeeze" in text:
            return x.clone()
        sizes = [] if s is None else s.tolist()
        if "Unsqueeze" in text:
            return x[:, None, ..., None]
        return x.reshape([len(x), *sizes[1:]])

    constants = {} if shape is None else {"s": np.array(shape)}
    check_gradient(text, reference, X, **constants)


@pytest.mark.parametrize("perm", [(0, 2, 3, 1), (3, 0, 2, 1), (1, 2, 0, 3)])
def test_transposition(check_gradient: Check, perm: tuple[int, ...]) -> None:
    check_gradient(f"y = Transpose<perm={list(perm)}>(x)", lambda x: x.permute(perm), X)


def test_transposition_reverses_all_axes_by_default(check_gradient: Check) -> None:
    check_gradient("y = Transpose(x)", lambda x: x.permute(3, 2, 1, 0), X)


def test_copies_are_summed(check_gradient: Check) -> None:
    check_gradient(
        "y = Expand(x, s)",
        lambda x, s: x.expand(len(x), 7, *s[-2:].tolist()),
        {"x": ("N", 1, 3, 1)},
        s=np.array([1, 7, 3, 4]),
    )


@pytest.mark.parametrize("axis", [1, -1])
def test_concatenation(check_gradient: Check, axis: int) -> None:
    check_gradient(
        f"y = Concat<axis={axis}>(x, x, c, x)",
        lambda x, c: torch.cat([x, x, c.expand(len(x), *c.shape[1:]), x], dim=axis),
        {"x": (1, 3, 4), "c": (1, 3, 4)},
    )


def test_parts_of_different_size_are_concatenated(check_gradient: Check) -> None:
    check_gradient(
        "y = Concat<axis=1>(a, b, c)",
        lambda a, b, c: torch.cat([a, b, c], dim=1),
        {"a": ("N", 2, 3), "b": ("N", 1, 3), "c": ("N", 4, 3)},
    )


def test_a_split_whose_parts_are_all_used(check_gradient: Check) -> None:
    check_gradient(
        "a, b, c = Split<axis=1>(x, sizes)  d = Mul(a, b)  y = Concat<axis=1>(c, d)",
        lambda x, _: torch.cat([x[:, 2:], x[:, :1] * x[:, 1:2]], dim=1),
        X,
        sizes=np.array([1, 1, 2]),
    )


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("axis", [-1, 3])
def test_a_split_of_which_one_part_is_used(check_gradient: Check, part: int, axis: int) -> None:
    sizes = (1, 3, 1)
    names = ["a", "b", "c"]
    check_gradient(
        f"{', '.join(names)} = Split<axis={axis}>(x, sizes)  y = Neg({names[part]})",
        lambda x, sizes: -x.split(sizes.tolist(), dim=-1)[part],
        X,
        sizes=np.array(sizes),
    )


@pytest.mark.parametrize(
    "pads", [(0, 0, 1, 2, 0, 0, 3, 4), (0, 1, 0, 0, 0, 2, 0, 0), (0, 0, -1, -2, 0, 0, -2, -1),
             (0, 0, -1, 2, 0, 0, 3, -2), (0,) * 8],
)  # fmt: skip
def test_padding_and_cropping(check_gradient: Check, pads: tuple[int, ...]) -> None:
    begin, end = pads[:4], pads[4:]
    in_torch = [side for axis in (3, 2, 1, 0) for side in (begin[axis], end[axis])]
    check_gradient(
        "y = Pad(x, pads, value)",
        lambda x, _, value: functional.pad(x, in_torch, value=float(value)),
        X,
        pads=np.array(pads),
        value=np.float64(0.5),
    )


SLICES = [
    slice(1, 4), slice(0, 6), slice(-3, None), slice(None, -2), slice(-100, 100), slice(2, 3),
    slice(0, None, 2), slice(1, None, 2), slice(1, 5, 3), slice(0, 5, 2), slice(-5, -1, 2),
    slice(0, None, 4), slice(5, None, 7),
]  # fmt: skip


@pytest.mark.parametrize("piece", SLICES, ids=str)
@pytest.mark.parametrize("axis", [2, -2])
def test_slices(check_gradient: Check, piece: slice, axis: int) -> None:
    start = 0 if piece.start is None else piece.start
    stop = 2**63 - 1 if piece.stop is None else piece.stop
    check_gradient(
        "y = Slice(x, starts, ends, axes, steps)",
        lambda x, *_: x[:, :, piece],
        X,
        starts=np.array([start]),
        ends=np.array([stop]),
        axes=np.array([axis]),
        steps=np.array([1 if piece.step is None else piece.step]),
    )


def test_a_slice_of_two_axes(check_gradient: Check) -> None:
    check_gradient(
        "y = Slice(x, starts, ends, axes, steps)",
        lambda x, *_: x[:, :, 1::2, :-1:3],
        X,
        starts=np.array([1, 0]),
        ends=np.array([99, -1]),
        axes=np.array([2, 3]),
        steps=np.array([2, 3]),
    )


def test_a_slice_with_steps_may_list_its_axes_in_any_order(check_gradient: Check) -> None:
    check_gradient(
        "y = Slice(x, starts, ends, axes, steps)",
        lambda x, *_: x[:, :, ::2, 1::2],
        {"x": ("N", 3, 8, 8)},
        starts=np.array([1, 0]),
        ends=np.array([8, 8]),
        axes=np.array([3, 2]),
        steps=np.array([2, 2]),
    )


def test_a_slice_of_all_axes_without_steps(check_gradient: Check) -> None:
    check_gradient(
        "y = Slice(x, starts, ends)",
        lambda x, *_: x[1:, 1:3],
        {"x": (3, 4)},
        starts=np.array([1, 1]),
        ends=np.array([9, 3]),
    )


@pytest.mark.parametrize("index", [0, 2, 5, -1, -6])
@pytest.mark.parametrize("axis", [2, -2])
def test_picking_one_index(check_gradient: Check, index: int, axis: int) -> None:
    check_gradient(f"y = Gather<axis={axis}>(x, i)", lambda x, i: x[:, :, i], X, i=np.array(index))


def test_picking_one_index_in_a_list_keeps_the_axis(check_gradient: Check) -> None:
    check_gradient("y = Gather<axis=1>(x, i)", lambda x, i: x[:, i], X, i=np.array([-2]))


HALVES = (
    "a = Slice(x, zero, two, axis)  b = Slice(x, two, all, axis)  c = Slice(x, one, all, axis)  "
    "d = Slice(x, zero, one, axis)  "
)
BOUNDS = {
    "zero": np.array([0]),
    "one": np.array([1]),
    "two": np.array([2]),
    "all": np.array([99]),
    "axis": np.array([1]),
}


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("y = Concat<axis=1>(b, a)", lambda x: x.roll(-2, dims=1)),
        (
            "ab = Concat<axis=1>(b, a)  bb = Add(ab, x)  y = Mul(bb, x)",
            lambda x: (x.roll(-2, dims=1) + x) * x,
        ),
        ("y = Concat<axis=1>(b, b)", lambda x: torch.cat([x[:, 2:], x[:, 2:]], dim=1)),
        ("y = Concat<axis=1>(c, a)", lambda x: torch.cat([x[:, 1:], x[:, :2]], dim=1)),
        ("y = Concat<axis=1>(b, d)", lambda x: torch.cat([x[:, 2:], x[:, :1]], dim=1)),
    ],
    ids=["all", "all, and the whole", "one twice", "two that overlap", "two with a gap"],
)
def test_pieces_of_one_value(
    check_gradient: Check, text: str, reference: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    check_gradient(HALVES + text, lambda x, *_: reference(x), X, **BOUNDS)


def test_pieces_along_different_axes(check_gradient: Check) -> None:
    check_gradient(
        "a = Slice(x, zero, two, axis)  b = Slice(x, two, all, last)  "
        "p = ReduceSum<keepdims=0>(a, over)  q = ReduceSum<keepdims=0>(b, over)  y = Add(p, q)",
        lambda x, *_: x[:, :2].sum((1, 2, 3)) + x[..., 2:].sum((1, 2, 3)),
        X,
        **BOUNDS,
        last=np.array([3]),
        over=np.array([1, 2, 3]),
    )


def test_pieces_that_cover_a_value_are_written_side_by_side(gradient_graph: Graph) -> None:
    picks = "  ".join(f"p{i} = Gather<axis=1>(x, i{i})" for i in range(4))
    model = gradient_graph(
        f"{picks}  y = Sum(p2, p0, p3, p1)", X, "x", **{f"i{i}": np.array(i) for i in range(4)}
    )
    (dx,) = model.graph.outputs[-1].producer().inputs  # type: ignore[union-attr]
    assert dx is not None
    node = dx.producer()
    assert node is not None
    assert node.op_type == "Concat"


@pytest.mark.parametrize(
    ("text", "constants", "reason"),
    [
        ("y = Gather<axis=1>(x, i)", {"i": np.array([0, 1])}, "single index"),
        ("y = Gather<axis=1>(x, i)", {"i": np.array([[1]])}, "single index"),
        ('y = Pad<mode="reflect">(x, p)', {"p": np.array([0, 0, 1, 1] * 2)}, "constant padding"),
        (
            'y = Pad(x, p, "", a)',
            {"p": np.array([1, 1]), "a": np.array([2])},
            "chosen axes",
        ),
        (
            "y = Slice(x, s, e, a, t)",
            {"s": np.array([5]), "e": np.array([0]), "a": np.array([2]), "t": np.array([-1])},
            "backwards",
        ),
        ("y = Concat<axis=0>(x, x)", {}, "depends on the batch"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(
    gradient_graph: Graph, text: str, constants: dict[str, np.ndarray], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason):
        gradient_graph(text, X, "x", **constants)
