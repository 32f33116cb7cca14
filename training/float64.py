"""Running a float64 graph: ONNX Runtime's CPU provider has few kernels of that type.

The reference evaluator of the onnx package has them all; the operators that it loops over in
Python are done by PyTorch here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import torch
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from torch.nn import functional

from models.errors import ExportError
from training.gradient.tape import meant

Array = npt.NDArray[np.float64]


def run(model: ir.Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of a graph by name, every operator computed in float64.

    Each value is dropped after its last use: the evaluator would keep them all, tens of
    gigabytes in the largest networks.

    Args:
        model: a graph without subgraphs.
        feeds: its inputs by name.

    Raises:
        ExportError: an operator is used in a way that is not covered here.
    """
    evaluator = ReferenceEvaluator(ir.to_proto(model), new_ops=OPERATORS)
    last = {name: node for node in evaluator.rt_nodes_ for name in node.input}
    kept = {*evaluator.output_names, *evaluator.rt_inits_}
    values: dict[str, Any] = {"": None, **evaluator.rt_inits_, **feeds}
    for node in evaluator.rt_nodes_:
        found = node.run(*(values[name] for name in node.input))
        values.update(zip(node.output, found, strict=False))
        for name in {*node.input, *node.output} - kept - {""}:
            if last.get(name, node) is node:
                values.pop(name, None)
    return {name: values[name] for name in evaluator.output_names}


class Conv(OpRun):
    """Convolution; padding may differ on both sides."""

    op_domain = ""

    def _run(
        self, x: Array, weight: Array, bias: Array | None = None,
        dilations: Sequence[int] | None = None, group: int | None = None,
        pads: Sequence[int] | None = None, strides: Sequence[int] | None = None, **_: Any,
    ) -> tuple[Array]:  # fmt: skip
        padded = _padded(_tensor(x), pads, 0.0)
        y = functional.conv2d(
            padded, _tensor(weight), None if bias is None else _tensor(bias),
            stride=tuple(strides or (1, 1)), dilation=tuple(dilations or (1, 1)),
            groups=group or 1,
        )  # fmt: skip
        return (y.numpy(),)


class ConvTranspose(OpRun):
    """Transposed convolution: made without padding, which is then cut off."""

    op_domain = ""

    def _run(
        self, x: Array, weight: Array, bias: Array | None = None,
        dilations: Sequence[int] | None = None, group: int | None = None,
        output_padding: Sequence[int] | None = None, pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None, **_: Any,
    ) -> tuple[Array]:  # fmt: skip
        y = functional.conv_transpose2d(
            _tensor(x), _tensor(weight), stride=tuple(strides or (1, 1)),
            dilation=tuple(dilations or (1, 1)), groups=group or 1,
        )  # fmt: skip
        top, left, bottom, right = pads or (0, 0, 0, 0)
        extra_height, extra_width = output_padding or (0, 0)
        cropped = (-left, extra_width - right, -top, extra_height - bottom)
        y = functional.pad(y, cropped)
        return ((y if bias is None else y + _tensor(bias)[:, None, None]).numpy(),)


class MaxPool(OpRun):
    """Max pooling, without the positions of the maxima."""

    op_domain = ""

    def _run(
        self, x: Array, ceil_mode: int | None = None, dilations: Sequence[int] | None = None,
        kernel_shape: Sequence[int] | None = None, pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None, **_: Any,
    ) -> tuple[Array]:  # fmt: skip
        y = functional.max_pool2d(
            _padded(_tensor(x), pads, -torch.inf), tuple(kernel_shape or ()),
            stride=tuple(strides or (1, 1)), dilation=tuple(dilations or (1, 1)),
            ceil_mode=bool(ceil_mode),
        )  # fmt: skip
        return (y.numpy(),)


class AveragePool(OpRun):
    """Average pooling; the evaluator's own is wrong where a window overhangs (ceil mode)."""

    op_domain = ""

    def _run(
        self, x: Array, ceil_mode: int | None = None, count_include_pad: int | None = None,
        kernel_shape: Sequence[int] | None = None, pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None, **_: Any,
    ) -> tuple[Array]:  # fmt: skip
        counted = torch.ones(x.shape, dtype=torch.float64)
        total, count = (
            functional.avg_pool2d(
                padded, tuple(kernel_shape or ()), stride=tuple(strides or (1, 1)),
                ceil_mode=bool(ceil_mode), divisor_override=1,
            )
            for padded in (
                _padded(_tensor(x), pads, 0.0),
                _padded(counted, pads, float(count_include_pad or 0)),
            )
        )  # fmt: skip
        return ((total / count).numpy(),)


class Pad(OpRun):
    """Constant padding of all axes; the evaluator's own takes no negative numbers."""

    op_domain = ""

    def _run(
        self, x: Array, pads: npt.NDArray[np.int64], value: Array | None = None,
        axes: npt.NDArray[np.int64] | None = None, mode: str | None = None,
    ) -> tuple[Array]:  # fmt: skip
        if axes is not None or mode not in {None, "constant"}:
            raise ExportError(f"Pad of chosen axes, or with mode {mode}")
        begin, end = np.split(pads, 2)
        # PyTorch starts from the last axis.
        sides = np.stack([begin, end], axis=1)[::-1].flatten().tolist()
        y = functional.pad(_tensor(x), sides, value=0.0 if value is None else float(value))
        return (y.numpy(),)


class MatMul(OpRun):
    """Matrix product; NumPy's is slow where a batch of matrices is transposed."""

    op_domain = ""

    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return ((_tensor(a) @ _tensor(b)).numpy(),)


class HardSigmoid(OpRun):
    """clip(alpha x + beta, 0, 1); attributes are float32 even here, but 1/6 is meant."""

    op_domain = ""

    def _run(self, x: Array, alpha: float | None = None, beta: float | None = None) -> tuple[Array]:
        slope = meant(float(0.2 if alpha is None else alpha))
        return (np.clip(slope * x + (0.5 if beta is None else beta), 0, 1),)


class HardSwish(OpRun):
    """x clip(x / 6 + 1/2, 0, 1)."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (x * np.clip(x / 6 + 0.5, 0, 1),)


class Erf(OpRun):
    """The error function; the evaluator's own rounds to float32."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (torch.erf(_tensor(x)).numpy(),)


OPERATORS = [
    Conv,
    ConvTranspose,
    MaxPool,
    AveragePool,
    Pad,
    MatMul,
    HardSigmoid,
    HardSwish,
    Erf,
]


def _padded(x: torch.Tensor, pads: Sequence[int] | None, value: float) -> torch.Tensor:
    top, left, bottom, right = pads or (0, 0, 0, 0)
    return functional.pad(x, (left, right, top, bottom), value=value)


def _tensor(array: npt.NDArray[Any]) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(array))
