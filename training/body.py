"""The part of `model.onnx` that bears fewer bits.

Two parts stay in float32. What lies before the first layer turns bytes into normalised pixels,
which rounding would spoil. From the last layer on there are logits: an exact linear classifier
costs little beside its body, and can be calibrated on held-out heads (see `training.train`).
"""

import onnx_ir as ir

from models.errors import ExportError

LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
"""Operators that multiply by weights."""


def body(graph: ir.Graph) -> list[ir.Node]:
    """The nodes from the first layer to the one before the last, in order.

    Raises:
        ExportError: there is one layer, or none.
    """
    nodes = list(graph)
    layers = [place for place, node in enumerate(nodes) if node.op_type in LAYERS]
    if len(layers) < 2:  # noqa: PLR2004 - the last one stays
        raise ExportError("a model of one layer stays fp32: it has no body to round")
    return nodes[layers[0] : layers[-1]]
