"""`model.onnx` in fp16.

ONNX Runtime's own converter rounds between two nodes that are both to stay float32, and writes
an invalid graph where they share a constant; here the body is one piece and has one border.
"""

import numpy as np
import onnx_ir as ir

from training.body import body
from training.graphs import TIDY


def to_fp16(model: ir.Model) -> None:
    """Turn the body's weights and activations to float16, in place.

    It is meant for GPUs. ONNX Runtime's CPU provider has few kernels for float16, and casts.

    Args:
        model: in float32, its inner values' types known; inputs and outputs keep theirs.

    Raises:
        ExportError: the model has no body.
    """
    graph = model.graph
    inside = body(graph)
    made = {value: node for node in inside for value in node.outputs if _is_float32(value)}
    halves: dict[ir.Value, ir.Value] = {}
    for node in inside:
        for place, value in enumerate(node.inputs):
            if value is None or value in made or not _is_float32(value):
                continue
            if value not in halves:
                halves[value] = _half(value, graph)
            node.replace_input_with(place, halves[value])
        _retype(node)
    for value in made:
        value.type = ir.TensorType(ir.DataType.FLOAT16)
        _leave(value, graph, frozenset(inside))
    graph.sort()
    TIDY(model)


def _is_float32(value: ir.Value) -> bool:
    return value.dtype is ir.DataType.FLOAT


def _half(value: ir.Value, graph: ir.Graph) -> ir.Value:
    """A weight in float16, or the cast of what flows into the body."""
    name = f"{value.name}_fp16"
    if value.const_value is None:
        return _cast(value, ir.DataType.FLOAT16, name, graph)
    rounded = value.const_value.numpy().astype(np.float16)
    half = ir.Value(
        name=name,
        type=ir.TensorType(ir.DataType.FLOAT16),
        shape=ir.Shape(rounded.shape),
        const_value=ir.tensor(rounded, name=name),
    )
    graph.register_initializer(half)
    return half


def _retype(node: ir.Node) -> None:
    """Have a node that names its output's type by an attribute make float16."""
    if node.op_type == "Cast" and node.attributes["to"].as_int() == ir.DataType.FLOAT:
        node.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT16)
    elif node.op_type == "ConstantOfShape" and _is_float32(node.outputs[0]):
        given = node.attributes.get("value")
        filler = np.zeros(1) if given is None else given.as_tensor().numpy()
        half = ir.tensor(filler.astype(np.float16))
        node.attributes["value"] = ir.AttrTensor("value", half)


def _leave(value: ir.Value, graph: ir.Graph, inside: frozenset[ir.Node]) -> None:
    """Give those outside the body, and the graph's outputs, the body's value in float32."""
    readers = [(node, place) for node, place in value.uses() if node not in inside]
    if value.is_graph_output():
        name, value.name = value.name, f"{value.name}_fp16"
        exact = _cast(value, ir.DataType.FLOAT, name, graph)
        graph.outputs[graph.outputs.index(value)] = exact
    elif readers:
        exact = _cast(value, ir.DataType.FLOAT, f"{value.name}_fp32", graph)
    for node, place in readers:
        node.replace_input_with(place, exact)


def _cast(value: ir.Value, to: ir.DataType, name: str | None, graph: ir.Graph) -> ir.Value:
    node = ir.node("Cast", [value], {"to": to})
    graph.append(node)
    (cast,) = node.outputs
    cast.name, cast.type, cast.shape = name, ir.TensorType(to), value.shape
    return cast
