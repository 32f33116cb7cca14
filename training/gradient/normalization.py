"""VJPs of reductions, softmax and normalisation."""

import math

import onnx_ir as ir

from models.errors import ExportError
from training.gradient.elementwise import Gradients
from training.gradient.tape import (
    Tape,
    constant_of,
    dimensions,
    input_of,
    integer,
    number,
    optional_input,
    static,
)


def reduce_mean(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """The mean spreads its gradient evenly."""
    x = input_of(node, 0)
    count = 1
    for axis in _axes(node):
        count *= static(x, axis)
    yield x, _spread_over(tape, node, tape.scale(dy, 1 / count, x))


def reduce_sum(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """The sum copies its gradient."""
    yield input_of(node, 0), _spread_over(tape, node, dy)


def softmax(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of softmax: dx = y (dy - sum(y dy))."""
    y, axis = node.outputs[0], integer(node, "axis", -1)
    weighted = tape.op("Mul", dy, y)
    total = tape.op("ReduceSum", weighted, tape.constant([axis]), keepdims=1)
    yield input_of(node, 0), tape.op("Sub", weighted, tape.op("Mul", y, total))


def layer_norm(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = scale n + bias, n = (x - mean) / deviation, over the axes from `axis` on.

    With c = x - mean and g = scale dy, dx = (g - mean(g) - c mean(g c) / variance) / deviation:
    what is divided here has one number for each mean.
    """
    x, scale = input_of(node, 0), input_of(node, 1)
    rank = len(dimensions(x))
    first = integer(node, "axis", -1) % rank
    axes = tape.constant(range(first, rank))
    count = math.prod(static(x, axis) for axis in range(first, rank))
    centred = tape.op("Sub", x, tape.op("ReduceMean", x, axes, keepdims=1))
    squares = tape.op("ReduceSumSquare", centred, axes, keepdims=1)
    epsilon = tape.constant(number(node, "epsilon", 1e-5), x)
    variance = tape.op("Add", tape.scale(squares, 1 / count, x), epsilon)
    g = tape.op("Mul", dy, scale)
    along = tape.op("ReduceMean", tape.op("Mul", g, centred), axes, keepdims=1)
    parallel = tape.op("Mul", centred, tape.op("Div", along, variance))
    across = tape.op("Sub", g, tape.op("ReduceMean", g, axes, keepdims=1))
    rest = tape.op("Sub", across, parallel)
    yield x, tape.op("Mul", rest, tape.op("Reciprocal", tape.op("Sqrt", variance)))


def batch_norm(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """In evaluation mode an affine map by channel: dx = dy scale / sqrt(variance + epsilon)."""
    x, scale, variance = input_of(node, 0), input_of(node, 1), input_of(node, 4)
    if integer(node, "training_mode", 0):
        raise ExportError(f"{node.name}: batch normalisation is in training mode")
    epsilon = tape.constant(number(node, "epsilon", 1e-5), x)
    slope = tape.op("Div", scale, tape.op("Sqrt", tape.op("Add", variance, epsilon)))
    by_channel = tape.constant([-1] + [1] * (len(dimensions(x)) - 2))
    yield x, tape.op("Mul", dy, tape.op("Reshape", slope, by_channel))


def _axes(node: ir.Node) -> list[int]:
    given = optional_input(node, 1)
    rank = len(dimensions(input_of(node, 0)))
    axes = [] if given is None else constant_of(given, "the axes of a reduction").tolist()
    if axes or integer(node, "noop_with_empty_axes", 0):
        return [axis % rank for axis in axes]
    return list(range(rank))


def _spread_over(tape: Tape, node: ir.Node, dy: ir.Value) -> ir.Value:
    x = input_of(node, 0)
    kept = (
        dy if integer(node, "keepdims", 1) else tape.op("Unsqueeze", dy, tape.constant(_axes(node)))
    )
    return tape.op("Expand", kept, tape.shape_of(x))
