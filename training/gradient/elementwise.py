"""VJPs of elementwise operators.

Where the derivative can be told from the output, it is: then the input need not be kept,
and the runtime can fuse an activation into the convolution before it.
"""

import math
from collections.abc import Iterator

import onnx_ir as ir

from training.gradient.tape import Tape, constant_of, input_of, number, optional_input

Gradients = Iterator[tuple[ir.Value, ir.Value]]


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
    p = float(constant_of(optional_input(node, 1), "the exponent").item())
    slope = x if p == 2 else tape.op("Pow", x, tape.constant(p - 1, x))  # noqa: PLR2004 - a square
    yield x, tape.op("Mul", dy, tape.scale(slope, p, x))


def relu(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = [y > 0]."""
    x = input_of(node, 0)
    zero = tape.constant(0, x)
    yield x, tape.op("Where", tape.op("Greater", node.outputs[0], zero), dy, zero)


def clip(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = [low < y < high], as ReLU6 has it."""
    x, y = input_of(node, 0), node.outputs[0]
    low, high = optional_input(node, 1), optional_input(node, 2)
    zero = tape.constant(0, x)
    if low is not None:
        dy = tape.op("Where", tape.op("Greater", y, low), dy, zero)
    if high is not None:
        dy = tape.op("Where", tape.op("Less", y, high), dy, zero)
    yield x, dy


def sigmoid(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = y (1 - y)."""
    x, y = input_of(node, 0), node.outputs[0]
    slope = tape.op("Mul", y, tape.op("Sub", tape.constant(1, x), y))
    yield x, tape.op("Mul", dy, slope)


def tanh(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = 1 - y^2."""
    x, y = input_of(node, 0), node.outputs[0]
    slope = tape.op("Sub", tape.constant(1, x), tape.op("Mul", y, y))
    yield x, tape.op("Mul", dy, slope)


def hard_sigmoid(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = alpha [0 < y < 1]."""
    x, y = input_of(node, 0), node.outputs[0]
    slope = tape.constant(number(node, "alpha", 0.2), x)
    yield x, tape.op("Mul", dy, _inside(tape, y, slope, x))


def hard_swish(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = x h(x), h(x) = clip(x / 6 + 1/2, 0, 1); dy/dx = h + x [0 < h < 1] / 6."""
    x = input_of(node, 0)
    h = tape.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    slope = tape.op("Add", h, _inside(tape, h, tape.scale(x, 1 / 6, x), x))
    yield x, tape.op("Mul", dy, slope)


def erf(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """dy/dx = 2 / sqrt(pi) exp(-x^2)."""
    x = input_of(node, 0)
    bell = tape.op("Exp", tape.op("Neg", tape.op("Mul", x, x)))
    yield x, tape.op("Mul", dy, tape.scale(bell, 2 / math.sqrt(math.pi), x))


def _inside(tape: Tape, y: ir.Value, value: ir.Value, like: ir.Value) -> ir.Value:
    """`value` where 0 < y < 1, else 0."""
    zero, one = tape.constant(0, like), tape.constant(1, like)
    inside = tape.op("And", tape.op("Greater", y, zero), tape.op("Less", y, one))
    return tape.op("Where", inside, value, zero)
