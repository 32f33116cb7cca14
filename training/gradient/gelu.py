"""VJP of the Gaussian error linear unit (Hendrycks & Gimpel 2016).

gelu(x) = x (1 + erf(x / sqrt(2))) / 2, in the five nodes that the runtime merges into one
kernel, unless something else needs what is between them. So nothing does: the backward pass
begins at x again.
"""

import math

import onnx_ir as ir

from training.gradient.tape import Tape


def gelu_argument(last: ir.Node) -> ir.Value | None:
    """The x of the five nodes of which this is the last; None where it is not."""
    product = _made_by("Mul", last.inputs[0])
    if last.op_type != "Mul" or product is None or not _is_constant(last.inputs[1], 0.5):
        return None
    x = product.inputs[0]
    plus = _made_by("Add", product.inputs[1])
    erf = None if plus is None else _made_by("Erf", plus.inputs[0])
    scaled = None if erf is None else _made_by("Div", erf.inputs[0])
    if plus is None or scaled is None or scaled.inputs[0] is not x:
        return None
    of_gelu = _is_constant(plus.inputs[1], 1) and _is_constant(scaled.inputs[1], math.sqrt(2))
    return x if of_gelu else None


def gelu(tape: Tape, x: ir.Value, dy: ir.Value) -> ir.Value:
    """dy/dx = (1 + erf(u)) / 2 + u exp(-u^2) / sqrt(pi), with u = x / sqrt(2)."""
    u = tape.scale(x, math.sqrt(0.5), x)
    # As HardSigmoid, the half of 1 + erf(u) is one operator.
    below = tape.op("HardSigmoid", tape.op("Erf", u), alpha=0.5, beta=0.5)
    exponent = tape.op("Sub", tape.constant(-math.log(math.pi) / 2, x), tape.op("Mul", u, u))
    slope = tape.op("Add", below, tape.op("Mul", u, tape.op("Exp", exponent)))
    return tape.op("Mul", dy, slope)


def _made_by(op_type: str, value: ir.Value | None) -> ir.Node | None:
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type == op_type else None


def _is_constant(value: ir.Value | None, number: float) -> bool:
    if value is None or value.const_value is None or value.const_value.size != 1:
        return False
    return math.isclose(float(value.const_value.numpy().item()), number, rel_tol=1e-6)
