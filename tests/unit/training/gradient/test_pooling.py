"""The gradient of pooling: overlapping, padded and overhanging windows, and ties."""

from collections.abc import Callable

import onnx_ir as ir
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

Check = Callable[..., None]
Graph = Callable[..., ir.Model]


def window(kernel: int, stride: int, pad: int, *, ceil: bool) -> str:
    return (
        f"kernel_shape=[{kernel}, {kernel}], strides=[{stride}, {stride}],"
        f" pads=[{pad}, {pad}, {pad}, {pad}], ceil_mode={int(ceil)}"
    )


def max_pooling(
    check_gradient: Check,
    size: tuple[int, int],
    kernel: int,
    stride: int,
    pad: int,
    *,
    ceil: bool,
    choices: tuple[float, ...] | None = None,
) -> None:
    def reference(x: torch.Tensor) -> torch.Tensor:
        return functional.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil)

    check_gradient(
        f"y = MaxPool<{window(kernel, stride, pad, ceil=ceil)}>(x)",
        reference,
        {"x": ("N", 3, *size)},
        choices=choices,
    )


def average_pooling(
    check_gradient: Check,
    size: tuple[int, int],
    kernel: int,
    stride: int,
    pad: int,
    *,
    ceil: bool,
    include_pad: bool,
) -> None:
    def reference(x: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(
            x, kernel, stride, pad, ceil_mode=ceil, count_include_pad=include_pad
        )

    attributes = window(kernel, stride, pad, ceil=ceil)
    check_gradient(
        f"y = AveragePool<{attributes}, count_include_pad={int(include_pad)}>(x)",
        reference,
        {"x": ("N", 3, *size)},
    )


def starts_inside(size: int, kernel: int, stride: int, pad: int) -> bool:
    """Whether the last window in ceil mode starts before the far padding.

    PyTorch drops one that does not, and ONNX's shape inference counts it.
    """
    last = -((kernel - size - 2 * pad) // stride) * stride
    return last < size + pad


GEOMETRIES = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (5, 2, 2), (3, 3, 0), (4, 3, 1)]


@pytest.mark.parametrize(("kernel", "stride", "pad"), GEOMETRIES)
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("size", [(8, 9), (7, 11)])
def test_max_pooling(
    check_gradient: Check, size: tuple[int, int], kernel: int, stride: int, pad: int, *, ceil: bool
) -> None:
    max_pooling(check_gradient, size, kernel, stride, pad, ceil=ceil)


@pytest.mark.parametrize(("kernel", "stride", "pad"), GEOMETRIES)
def test_the_first_of_equal_maxima_takes_the_gradient(
    check_gradient: Check, kernel: int, stride: int, pad: int
) -> None:
    max_pooling(check_gradient, (8, 9), kernel, stride, pad, ceil=True, choices=(0.0, 1.0, 2.0))


def test_dilated_max_pooling(check_gradient: Check) -> None:
    check_gradient(
        "y = MaxPool<kernel_shape=[3, 3], dilations=[2, 2], strides=[1, 2]>(x)",
        lambda x: functional.max_pool2d(x, 3, (1, 2), dilation=2),
        {"x": ("N", 3, 9, 10)},
    )


def test_the_order_of_positions_that_nothing_uses_does_not_matter(check_gradient: Check) -> None:
    check_gradient(
        "y, positions = MaxPool<kernel_shape=[2, 2], strides=[2, 2], storage_order=1>(x)",
        lambda x: functional.max_pool2d(x, 2),
        {"x": ("N", 3, 4, 6)},
        choices=(0.0, 1.0),
    )


@pytest.mark.parametrize(("kernel", "stride", "pad"), GEOMETRIES)
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("include_pad", [False, True])
@pytest.mark.parametrize("size", [(8, 9), (7, 11)])
def test_average_pooling(
    check_gradient: Check,
    size: tuple[int, int],
    kernel: int,
    stride: int,
    pad: int,
    *,
    ceil: bool,
    include_pad: bool,
) -> None:
    average_pooling(check_gradient, size, kernel, stride, pad, ceil=ceil, include_pad=include_pad)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    size=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    pad=st.integers(0, 2),
    ceil=st.booleans(),
    include_pad=st.booleans(),
)
def test_any_window(
    check_gradient: Check,
    size: tuple[int, int],
    kernel: int,
    stride: int,
    pad: int,
    *,
    ceil: bool,
    include_pad: bool,
) -> None:
    assume(2 * pad <= kernel <= min(size) + 2 * pad)
    assume(not ceil or all(starts_inside(side, kernel, stride, pad) for side in size))
    max_pooling(check_gradient, size, kernel, stride, pad, ceil=ceil, choices=(-1.0, 0.0, 0.5, 1.0))
    average_pooling(check_gradient, size, kernel, stride, pad, ceil=ceil, include_pad=include_pad)


def test_global_average_pooling(check_gradient: Check) -> None:
    check_gradient(
        "y = GlobalAveragePool(x)",
        lambda x: x.mean(dim=(2, 3), keepdim=True),
        {"x": ("N", 3, 5, 6)},
    )
