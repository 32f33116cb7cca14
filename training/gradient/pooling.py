"""VJPs of average pooling."""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from training.gradient.convolution import Geometry, transposed
from training.gradient.elementwise import Gradients
from training.gradient.tape import Tape, input_of, integer, ints, static


def average_pool(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Each window spreads its gradient evenly over the pixels that it counted."""
    x = input_of(node, 0)
    geometry = Geometry(node, kernel=ints(node, "kernel_shape", ()))
    counts = _counts(geometry, include_pad=bool(integer(node, "count_include_pad", 0)))
    height, width = geometry.output_size
    share = tape.op("Mul", dy, tape.constant(1 / counts, x))
    # Channels are pooled alike: as a batch they need one kernel instead of one each.
    alike = tape.op("Reshape", share, tape.constant([-1, 1, height, width]))
    ones = tape.constant(np.ones((1, 1, *geometry.kernel)), x)
    yield x, tape.reshape_as(transposed(tape, geometry, ones, alike), x)


def global_average_pool(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """The mean over all pixels."""
    x = input_of(node, 0)
    pixels = static(x, 2) * static(x, 3)
    yield x, tape.op("Expand", tape.scale(dy, 1 / pixels, x), tape.shape_of(x))


def _counts(geometry: Geometry, *, include_pad: bool) -> npt.NDArray[np.float64]:
    """How many pixels each window averages, [h, w]."""
    per_axis = []
    for axis, kernel in enumerate(geometry.kernel):
        size, dilation = geometry.input_size[axis], geometry.dilations[axis]
        # A window may overhang even the padding (ceil mode); that part never counts.
        low, high = (-geometry.begin[axis], size + geometry.end[axis]) if include_pad else (0, size)
        starts = np.arange(geometry.output_size[axis]) * geometry.strides[axis]
        pixels = (starts - geometry.begin[axis])[:, None] + np.arange(kernel) * dilation
        per_axis.append(((pixels >= low) & (pixels < high)).sum(axis=1))
    counts: npt.NDArray[np.float64] = np.outer(*per_axis).astype(np.float64)
    return counts
