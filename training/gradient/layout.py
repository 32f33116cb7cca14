"""VJPs of operators that move values around and compute nothing."""

import numpy as np
import onnx_ir as ir

from models.errors import ExportError
from training.gradient.elementwise import Gradients
from training.gradient.tape import (
    Tape,
    constant_of,
    dimensions,
    input_of,
    integer,
    ints,
    optional_input,
    static,
)


def reshape(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Reshape, Flatten, Squeeze and Unsqueeze: the shape goes back."""
    x = input_of(node, 0)
    yield x, tape.reshape_as(dy, x)


def transpose(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """The inverse permutation."""
    x = input_of(node, 0)
    perm = ints(node, "perm", reversed(range(len(dimensions(x)))))
    yield x, tape.op("Transpose", dy, perm=np.argsort(perm).tolist())


def expand(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Copies are summed."""
    x = input_of(node, 0)
    yield x, tape.sum_to(dy, node.outputs[0], x)


def concat(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Each part gets its slice."""
    axis = integer(node, "axis", 0)
    start = 0
    for x in node.inputs:
        if x is None:
            continue
        size = static(x, axis)
        if tape.wants(x):
            yield x, _slice(tape, dy, axis, start, start + size)
        start += size


def split(tape: Tape, node: ir.Node, *gradients: ir.Value | None) -> Gradients:
    """Each part's gradient goes to its place; a part that is not used adds nothing."""
    x = input_of(node, 0)
    axis = integer(node, "axis", 0) % len(dimensions(x))
    if len(gradients) == len(node.outputs) and None not in gradients:
        yield x, tape.op("Concat", *gradients, axis=axis)
        return
    total, start = static(x, axis), 0
    for output, dy in zip(node.outputs, gradients, strict=False):
        size = static(output, axis)
        if dy is not None:
            yield x, tape.surround(dy, {axis: (start, total - start - size)}, len(dimensions(x)))
        start += size


def pad(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Padding is cut off again."""
    x = input_of(node, 0)
    mode = node.attributes.get("mode")
    if mode is not None and mode.as_string() != "constant":
        raise ExportError(f"{node.name}: only constant padding is supported")
    pads = constant_of(optional_input(node, 1), "pads").astype(np.int64)
    if optional_input(node, 3) is not None:
        raise ExportError(f"{node.name}: padding of chosen axes is not supported")
    begin, end = np.split(-pads, 2)
    around = dict(enumerate(zip(begin.tolist(), end.tolist(), strict=True)))
    yield x, tape.surround(dy, around, len(begin))


def slice_(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Zeros surround the slice, and fill the gaps of one with steps."""
    x = input_of(node, 0)
    starts, ends = (
        constant_of(optional_input(node, i), "a slice's bound").tolist() for i in (1, 2)
    )
    axes_input, steps_input = optional_input(node, 3), optional_input(node, 4)
    axes = range(len(starts)) if axes_input is None else constant_of(axes_input, "axes").tolist()
    steps = [1] * len(starts) if steps_input is None else constant_of(steps_input, "steps").tolist()
    around: dict[int, tuple[int, int]] = {}
    rank = len(dimensions(x))
    # From the first axis to the last: spreading one takes the sizes behind it as they were.
    picks = sorted(zip((axis % rank for axis in axes), starts, ends, steps, strict=True))
    for axis, start, end, step in picks:
        if step < 1:
            raise ExportError(f"{node.name}: a slice that runs backwards is not supported")
        total = static(x, axis)
        picked = range(total)[slice(start, end, step)]
        if step > 1:
            dy = _spread(tape, dy, node.outputs[0], axis, step)
        around[axis] = (picked.start, total - picked.start - len(picked) * step)
    yield x, tape.surround(dy, around, rank)


def gather(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Picking one index of an axis (a class token, the query of a fused projection)."""
    x = input_of(node, 0)
    index = constant_of(optional_input(node, 1), "the index of Gather")
    if index.size != 1 or index.ndim > 1:
        raise ExportError(f"{node.name}: only Gather of a single index is supported")
    axis = integer(node, "axis", 0) % len(dimensions(x))
    size = static(x, axis)
    position = int(index.item()) % size
    column = dy if index.ndim else tape.op("Unsqueeze", dy, tape.constant([axis]))
    yield x, tape.surround(column, {axis: (position, size - position - 1)}, len(dimensions(x)))


def _slice(tape: Tape, value: ir.Value, axis: int, start: int, end: int) -> ir.Value:
    return tape.op(
        "Slice", value, tape.constant([start]), tape.constant([end]), tape.constant([axis])
    )


def _spread(tape: Tape, value: ir.Value, like: ir.Value, axis: int, step: int) -> ir.Value:
    """Put `step - 1` zeros behind each element of an axis."""
    dims = dimensions(like)
    column = tape.op("Unsqueeze", value, tape.constant([axis + 1]))
    pads = [0] * (2 * len(dims) + 2)
    pads[-len(dims) + axis] = step - 1
    padded = tape.op("Pad", column, tape.constant(pads))
    shape = [0] * axis + [-1] + [static(like, i) for i in range(axis + 1, len(dims))]
    return tape.op("Reshape", padded, tape.constant(shape))
