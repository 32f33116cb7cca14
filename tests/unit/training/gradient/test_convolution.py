"""The gradient of convolution in every geometry that it can have."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from models.errors import ExportError

Check = Callable[..., None]
Graph = Callable[..., ir.Model]

CHANNELS, OUTPUTS = 4, 6


def convolution(
    check_gradient: Check,
    size: tuple[int, int],
    kernel: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    groups: int = 1,
) -> None:
    """Check one geometry; `pads` are top, left, bottom and right, as ONNX has them."""
    outputs = CHANNELS * 2 if groups == CHANNELS else OUTPUTS
    weight = np.random.default_rng(2).normal(size=(outputs, CHANNELS // groups, *kernel))
    top, left, bottom, right = pads

    def reference(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(x, (left, right, top, bottom))
        return functional.conv2d(padded, w, stride=stride, dilation=dilation, groups=groups)

    check_gradient(
        f"y = Conv<strides=[{stride[0]}, {stride[1]}], dilations=[{dilation[0]}, {dilation[1]}],"
        f" pads=[{top}, {left}, {bottom}, {right}], group={groups}>(x, w)",
        reference,
        {"x": ("N", CHANNELS, *size)},
        w=weight,
    )


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_kernel_and_stride_at_same_padding(
    check_gradient: Check, kernel: int, stride: int
) -> None:
    pad = kernel // 2
    convolution(
        check_gradient, (11, 12), (kernel, kernel), stride=(stride, stride), pads=(pad,) * 4
    )


@pytest.mark.parametrize("size", [(9, 9), (9, 10), (10, 9), (10, 10), (11, 8)])
@pytest.mark.parametrize("stride", [(2, 2), (3, 3), (4, 4), (1, 2), (3, 1)])
def test_pixels_that_a_stride_leaves_unread_get_no_gradient(
    check_gradient: Check, size: tuple[int, int], stride: tuple[int, int]
) -> None:
    convolution(check_gradient, size, (3, 3), stride=stride)


@pytest.mark.parametrize("pads", [(0, 1, 2, 3), (3, 2, 1, 0), (0, 0, 1, 1), (1, 1, 0, 0)])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_may_differ_on_every_side(
    check_gradient: Check, pads: tuple[int, int, int, int], stride: int
) -> None:
    convolution(check_gradient, (8, 9), (4, 5), stride=(stride, stride), pads=pads)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_padding_may_exceed_the_reach_of_the_kernel(
    check_gradient: Check, kernel: int, stride: int
) -> None:
    convolution(
        check_gradient, (6, 7), (kernel, kernel), stride=(stride, stride), pads=(4, 3, 5, 4)
    )


@pytest.mark.parametrize("groups", [1, 2, CHANNELS])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_groups_and_dilation(
    check_gradient: Check, groups: int, stride: int, dilation: int
) -> None:
    convolution(
        check_gradient,
        (9, 8),
        (3, 3),
        stride=(stride, stride),
        dilation=(dilation, dilation),
        pads=(1, 1, 1, 1),
        groups=groups,
    )


@pytest.mark.parametrize("kernel", [(1, 7), (7, 1), (1, 3), (3, 1)])
def test_kernels_need_not_be_square(check_gradient: Check, kernel: tuple[int, int]) -> None:
    pads = (kernel[0] // 2, kernel[1] // 2) * 2
    convolution(check_gradient, (9, 8), kernel, pads=pads)


SMALL = st.integers(1, 3)
PADS = st.integers(0, 4)


@st.composite
def geometries(draw: st.DrawFn) -> dict[str, Any]:
    pair, pads = st.tuples(SMALL, SMALL), draw(st.tuples(PADS, PADS, PADS, PADS))
    size = draw(st.tuples(st.integers(4, 12), st.integers(4, 12)))
    kernel, dilation = draw(st.tuples(st.integers(1, 5), st.integers(1, 5))), draw(pair)
    for axis in (0, 1):
        assume(dilation[axis] * (kernel[axis] - 1) < size[axis] + pads[axis] + pads[2 + axis])
    groups = draw(st.sampled_from([1, 2, CHANNELS]))
    return {"size": size, "kernel": kernel, "stride": draw(pair), "dilation": dilation,
            "pads": pads, "groups": groups}  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(geometry=geometries())
def test_any_geometry(check_gradient: Check, geometry: dict[str, Any]) -> None:
    convolution(check_gradient, **geometry)


def test_the_bias_changes_nothing(check_gradient: Check) -> None:
    random = np.random.default_rng(0)
    check_gradient(
        "y = Conv(x, w, b)",
        functional_conv,
        {"x": ("N", 3, 6, 6)},
        w=random.normal(size=(5, 3, 3, 3)),
        b=random.normal(size=5),
    )


def functional_conv(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return functional.conv2d(x, w, b)


def test_automatic_padding_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="auto_pad"):
        gradient_graph(
            'y = Conv<auto_pad="SAME_UPPER">(x, w)',
            {"x": ("N", 3, 8, 8)},
            "x",
            w=np.zeros((4, 3, 3, 3)),
        )


def test_a_weight_made_from_the_image_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="depends on the image"):
        gradient_graph("y = Conv(x, x)", {"x": (3, 3, 4, 4)}, "x")


def test_a_convolution_of_one_dimension_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError):
        gradient_graph("y = Conv(x, w)", {"x": ("N", 3, 8)}, "x", w=np.zeros((4, 3, 3)))
