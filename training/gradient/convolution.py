"""VJP of convolution with respect to its input: the transposed convolution.

Dumoulin & Visin, A guide to convolution arithmetic for deep learning, chapter 4.
"""

import math

import onnx_ir as ir

from models.errors import ExportError
from training.gradient.elementwise import Gradients
from training.gradient.tape import Tape, dimensions, input_of, integer, ints, static

RANK = 4
SPATIAL = (2, 3)


def conv(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Stride 1: a convolution with flipped weights, far faster on a CPU; else ConvTranspose."""
    x, weight = input_of(node, 0), input_of(node, 1)
    if tape.wants(weight):
        raise ExportError(f"{node.name}: the weight of a convolution depends on the image")
    geometry = Geometry(node)
    if geometry.strides == [1, 1]:
        yield x, _conv_with_flipped_weight(tape, geometry, weight, dy)
    else:
        yield x, transposed(tape, geometry, weight, dy)


class Geometry:
    """Kernel, strides, dilations and padding of a two-dimensional Conv or pooling node."""

    def __init__(self, node: ir.Node, kernel: list[int] | None = None) -> None:
        x = input_of(node, 0)
        if len(dimensions(x)) != RANK:
            raise ExportError(f"{node.name}: only two-dimensional {node.op_type} is supported")
        auto_pad = node.attributes.get("auto_pad")
        if auto_pad is not None and auto_pad.as_string() not in {"NOTSET", ""}:
            raise ExportError(f"{node.name}: auto_pad is not supported")
        self.kernel = kernel or [static(input_of(node, 1), axis) for axis in SPATIAL]
        self.strides = ints(node, "strides", (1, 1))
        self.dilations = ints(node, "dilations", (1, 1))
        pads = ints(node, "pads", (0, 0, 0, 0))
        self.begin, self.end = pads[:2], pads[2:]
        self.group = integer(node, "group", 1)
        self.input_size = [static(x, axis) for axis in SPATIAL]
        self.output_size = [static(node.outputs[0], axis) for axis in SPATIAL]

    @property
    def reach(self) -> list[int]:
        """How many pixels a dilated kernel spans, less one."""
        return [d * (k - 1) for d, k in zip(self.dilations, self.kernel, strict=True)]

    @property
    def output_padding(self) -> list[int]:
        """Pixels at the far end that the forward pass never read.

        Negative where the last window overhangs the padding (pooling in ceil mode).
        """
        return [
            size - ((out - 1) * stride + reach + 1 - begin - end)
            for size, out, stride, reach, begin, end in zip(
                self.input_size,
                self.output_size,
                self.strides,
                self.reach,
                self.begin,
                self.end,
                strict=True,
            )
        ]


def transposed(tape: Tape, geometry: Geometry, weight: ir.Value, dy: ir.Value) -> ir.Value:
    """The gradient as a ConvTranspose with the forward pass's own weight."""
    padding = geometry.output_padding
    # The runtime takes no negative output padding: what overhangs is cut off as padding is.
    end = [pad - min(extra, 0) for pad, extra in zip(geometry.end, padding, strict=True)]
    return tape.op(
        "ConvTranspose",
        dy,
        weight,
        kernel_shape=geometry.kernel,
        strides=geometry.strides,
        dilations=geometry.dilations,
        pads=[*geometry.begin, *end],
        group=geometry.group,
        output_padding=[max(extra, 0) for extra in padding],
    )


def _conv_with_flipped_weight(
    tape: Tape, geometry: Geometry, weight: ir.Value, dy: ir.Value
) -> ir.Value:
    pads = [
        [reach - pad for reach, pad in zip(geometry.reach, side, strict=True)]
        for side in (geometry.begin, geometry.end)
    ]
    # Padding beyond the kernel's reach saw nothing of the image: its gradient is cut off.
    overhang = {
        axis: (min(begin, 0), min(end, 0)) for axis, begin, end in zip(SPATIAL, *pads, strict=True)
    }
    dy = tape.surround(dy, overhang, RANK)
    return tape.op(
        "Conv",
        dy,
        _flipped(tape, weight, geometry),
        kernel_shape=geometry.kernel,
        dilations=geometry.dilations,
        group=geometry.group,
        pads=[max(pad, 0) for side in pads for pad in side],
    )


def _flipped(tape: Tape, weight: ir.Value, geometry: Geometry) -> ir.Value:
    """[M, C/g, kh, kw] -> [C, M/g, kh, kw] with both spatial axes reversed.

    Written as nodes over the stored weight: the runtime folds them when it loads the graph,
    so the bundle stores nothing twice.
    """
    outputs, inputs = static(weight, 0), static(weight, 1)
    groups, kernel = geometry.group, geometry.kernel
    if groups == 1:
        swapped = tape.op("Transpose", weight, perm=[1, 0, 2, 3])
    elif inputs == 1 and groups == outputs:
        swapped = weight
    else:
        grouped = tape.op(
            "Reshape", weight, tape.constant([groups, outputs // groups, inputs, *kernel])
        )
        swapped = tape.op(
            "Reshape",
            tape.op("Transpose", grouped, perm=[0, 2, 1, 3, 4]),
            tape.constant([groups * inputs, outputs // groups, *kernel]),
        )
    if math.prod(kernel) == 1:
        return swapped
    lowest = -(2**31)
    return tape.op(
        "Slice",
        swapped,
        tape.constant([-1, -1]),
        tape.constant([lowest, lowest]),
        tape.constant(SPATIAL),
        tape.constant([-1, -1]),
    )
