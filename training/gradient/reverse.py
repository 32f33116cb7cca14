"""Reverse accumulation (Griewank & Walther, Evaluating Derivatives, chapter 3)."""

from collections import defaultdict

import onnx_ir as ir

from models.errors import ExportError
from training.gradient.rules import RULES
from training.gradient.tape import Tape

FLOATING = frozenset(
    {ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16}
)


def append_gradient(
    graph: ir.Graph, output: ir.Value, output_gradient: ir.Value, wrt: ir.Value
) -> ir.Value:
    """Append to `graph` the nodes that carry a gradient from `output` back to `wrt`.

    Args:
        graph: topologically sorted; it is changed in place.
        output: the value that is differentiated, say the logits [N, K].
        output_gradient: its cotangent, of the same shape and dtype.
        wrt: the value to differentiate with respect to; an input or any inner value.

    Returns:
        The gradient, of the shape and dtype of `wrt`.

    Raises:
        ExportError: an operator between the two has no rule, or `output` does not
            depend on `wrt`.
    """
    forward = list(graph)
    path = _values_between(forward, wrt, output)
    tape = Tape(graph, path)
    pending: dict[ir.Value, list[ir.Value]] = defaultdict(list)
    pending[output].append(output_gradient)
    for node in reversed(forward):
        if not any(value in path and value is not wrt for value in node.outputs):
            continue
        gradients = [_gradient_of(value, pending, tape) for value in node.outputs]
        if all(gradient is None for gradient in gradients):
            continue
        for value, gradient in _contributions(tape, node, gradients):
            if gradient is not None:
                pending[value].append(gradient)
    total = _gradient_of(wrt, pending, tape)
    if total is None:
        raise ExportError(f"{output.name} does not depend on {wrt.name}")
    return total


def _contributions(
    tape: Tape, node: ir.Node, gradients: list[ir.Value | None]
) -> list[tuple[ir.Value, ir.Value | None]]:
    """What a node's rule says of its inputs; nothing may be passed over."""
    rule = RULES.get(node.op_type)
    if rule is None:
        raise ExportError(f"no gradient rule for the operator {node.op_type} ({node.name})")
    while gradients[-1] is None:  # an output that nothing uses
        gradients.pop()
    if len(gradients) > 1 and node.op_type != "Split":
        raise ExportError(f"{node.name}: only the first output of {node.op_type} may be used")
    contributions = list(rule(tape, node, *gradients))
    told = {value for value, _ in contributions}
    if any(tape.wants(value) and value not in told for value in node.inputs):
        raise ExportError(f"{node.name}: {node.op_type} has no gradient for one of its inputs")
    return contributions


def _values_between(nodes: list[ir.Node], wrt: ir.Value, output: ir.Value) -> frozenset[ir.Value]:
    """The floating-point values that depend on `wrt` and that `output` depends on."""
    downstream = {wrt}
    for node in nodes:
        if any(value in downstream for value in node.inputs):
            downstream.update(value for value in node.outputs if value.dtype in FLOATING)
    upstream = {output}
    for node in reversed(nodes):
        if any(value in upstream for value in node.outputs):
            upstream.update(value for value in node.inputs if value in downstream)
    return frozenset(downstream & upstream)


def _gradient_of(
    value: ir.Value, pending: dict[ir.Value, list[ir.Value]], tape: Tape
) -> ir.Value | None:
    """The sum of what the value's consumers contributed; None where nothing did."""
    gradients = pending.pop(value, [])
    if not gradients:
        return None
    total = tape.total_like(gradients, value)
    # The runtime's inference loses shapes at each Reshape; without them it optimises less.
    total.type, total.shape = value.type, value.shape
    return total
