"""VJPs of elementwise operators.

Where the derivative can be told from the output, it is: then the input need not be kept,
and the runtime can fuse an activation into the convolution before it.
"""

import math
from collections.abc import Iterator

import onnx_ir as ir

from models.errors import ExportError
from training.gradient.gelu import gelu, gelu_argument
from training.gradient.tape import Tape, constant_of, dimensions, input_of, number, optional_input

Gradients = Iterator[tuple[ir.Value, ir.Value | None]]
"""Inputs with what a node adds to their gradients; None where another pair says it all."""


def add(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = a + b + …, also for Sum."""
    for x in node.inputs:
        if x is not None and tape.wants(x):
            yield x, tape.sum_to(dy, node.outputs[0], x)


def sub(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = a - b."""
    a, b = input_of(node, 0), input_of(node, 1)
    if tape.wants(a):
        yield a, tape.sum_to(dy, node.outputs[0], a)
    if tape.wants(b):
        yield b, tape.sum_to(tape.op("Neg", dy), node.outputs[0], b)


def mul(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = a b."""
    a, b = input_of(node, 0), input_of(node, 1)
    if (x := gelu_argument(node)) is not None:
        yield x, gelu(tape, x, dy)
        yield a, None
        return
    if tape.wants(a) and _is_sigmoid_of(b, a):
        yield a, _silu(tape, node.outputs[0], b, dy)
        yield b, None
        return
    for x, other in ((a, b), (b, a)):
        if tape.wants(x):
            yield x, tape.sum_to(tape.op("Mul", dy, other), node.outputs[0], x)


def div(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = a / b."""
    a, b, y = input_of(node, 0), input_of(node, 1), node.outputs[0]
    da = tape.op("Div", dy, b)
    if tape.wants(a):
        yield a, tape.sum_to(da, y, a)
    if tape.wants(b):
        yield b, tape.sum_to(tape.op("Neg", tape.op("Mul", da, y)), y, b)


def neg(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = -x."""
    yield input_of(node, 0), tape.op("Neg", dy)


def identity(_tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = x."""
    yield input_of(node, 0), dy


def sqrt(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = 1 / (2 y)."""
    x, y = input_of(node, 0), node.outputs[0]
    yield x, tape.scale(tape.op("Div", dy, y), 0.5, x)


def power(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = p x^(p-1), for a constant p."""
    x = input_of(node, 0)
    exponent = constant_of(optional_input(node, 1), "the exponent")
    if exponent.size != 1 or exponent.ndim > len(dimensions(x)):
        raise ExportError(f"{node.name}: only one exponent for all elements is supported")
    p = float(exponent.item())
    if p == 0:
        yield x, tape.scale(dy, 0, x)
        return
    slope = x if p == 2 else tape.op("Pow", x, tape.constant(p - 1, x))  # noqa: PLR2004 - a square
    yield x, tape.op("Mul", dy, tape.scale(slope, p, x))


def relu(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = [y > 0]."""
    yield input_of(node, 0), tape.op("Mul", dy, above(tape, node.outputs[0], 0))


def clip(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = [low < y < high], as ReLU6 has it."""
    y = node.outputs[0]
    low, high = optional_input(node, 1), optional_input(node, 2)
    if low is not None:
        dy = tape.op("Mul", dy, above(tape, y, float(constant_of(low, "low").item())))
    if high is not None:
        dy = tape.op("Mul", dy, _below(tape, y, float(constant_of(high, "high").item())))
    yield input_of(node, 0), dy


def sigmoid(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = y (1 - y)."""
    y = node.outputs[0]
    yield input_of(node, 0), tape.op("Mul", dy, tape.op("Mul", y, _complement(tape, y)))


def tanh(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = 1 - y^2."""
    x, y = input_of(node, 0), node.outputs[0]
    slope = tape.op("Sub", tape.constant(1, x), tape.op("Mul", y, y))
    yield x, tape.op("Mul", dy, slope)


def hard_sigmoid(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = alpha [0 < y < 1]."""
    x, y = input_of(node, 0), node.outputs[0]
    slope = tape.constant(number(node, "alpha", 0.2), x)
    yield x, tape.op("Mul", dy, _inside(tape, y, slope))


def hard_swish(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = x h(x), h(x) = clip(x / 6 + 1/2, 0, 1); dy/dx = h + x [0 < h < 1] / 6."""
    x = input_of(node, 0)
    h = tape.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    slope = tape.op("Add", h, _inside(tape, h, tape.scale(x, 1 / 6, x)))
    yield x, tape.op("Mul", dy, slope)


def erf(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = 2 / sqrt(pi) exp(-x^2)."""
    x = input_of(node, 0)
    bell = tape.op("Exp", tape.op("Neg", tape.op("Mul", x, x)))
    yield x, tape.op("Mul", dy, tape.scale(bell, 2 / math.sqrt(math.pi), x))


def _silu(tape: Tape, y: ir.Value, sigmoid: ir.Value, dy: ir.Value) -> ir.Value:
    """Of y = x s, s = sigmoid(x): dy/dx = s + y (1 - s), with fewer nodes than its parts."""
    slope = tape.op("Add", sigmoid, tape.op("Mul", y, _complement(tape, sigmoid)))
    return tape.op("Mul", dy, slope)


def _is_sigmoid_of(value: ir.Value, x: ir.Value) -> bool:
    producer = value.producer()
    return producer is not None and producer.op_type == "Sigmoid" and producer.inputs[0] is x


def _complement(tape: Tape, y: ir.Value) -> ir.Value:
    """1 - y for 0 <= y <= 1, as clip(1 - y, 0, 1): like steps, in the convolutions' layout."""
    return tape.op("HardSigmoid", y, alpha=-1.0, beta=1.0)


def _inside(tape: Tape, y: ir.Value, value: ir.Value) -> ir.Value:
    """`value` where 0 < y < 1, else 0."""
    return tape.op("Mul", value, tape.op("Mul", above(tape, y, 0), _below(tape, y, 1)))


# A step function could be written as a comparison and a choice (Greater, Where). As a very
# steep HardSigmoid, clip(steepness (y - bound), 0, 1), it is four times faster on the CPU,
# and the runtime keeps it in the blocked layout of the convolutions around it: no reordering.
# It is exact: the steepness is a power of two, so no product is rounded, and the float next to
# its bound is far enough away to saturate (for bounds of 1e-11 and more, even in float64).
STEEPNESS = 2.0**127
STEEPNESS_AWAY_FROM_ZERO = 2.0**60


def above(tape: Tape, y: ir.Value, bound: float) -> ir.Value:
    """1 where y > bound, else 0."""
    steepness = STEEPNESS_AWAY_FROM_ZERO if bound else STEEPNESS
    return tape.op("HardSigmoid", y, alpha=steepness, beta=-steepness * bound)


def _below(tape: Tape, y: ir.Value, bound: float) -> ir.Value:
    """1 where y < bound, else 0."""
    steepness = STEEPNESS_AWAY_FROM_ZERO if bound else STEEPNESS
    return tape.op("HardSigmoid", y, alpha=-steepness, beta=steepness * bound)
