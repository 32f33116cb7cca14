"""VJPs of matrix products."""

import onnx_ir as ir

from models.errors import ExportError
from training.gradient.elementwise import Gradients
from training.gradient.tape import Tape, dimensions, input_of, integer, number


def matmul(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = a b, batched; da = dy b^T, db = a^T dy."""
    a, b, y = input_of(node, 0), input_of(node, 1), node.outputs[0]
    if tape.wants(a):
        yield a, _sum_batches(tape, tape.op("MatMul", dy, _transposed(tape, b)), y, a)
    if tape.wants(b):
        yield b, _sum_batches(tape, tape.op("MatMul", _transposed(tape, a), dy), y, b)


def gemm(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """Of y = alpha a' b' + beta c, where ' is an optional transposition."""
    a, b = input_of(node, 0), input_of(node, 1)
    trans_a, trans_b = integer(node, "transA", 0), integer(node, "transB", 0)
    alpha = number(node, "alpha", 1.0)
    if tape.wants(a):
        left, right = (b, dy) if trans_a else (dy, b)
        yield (
            a,
            tape.op(
                "Gemm",
                left,
                right,
                alpha=alpha,
                transA=trans_b if trans_a else 0,
                transB=1 if trans_a else 1 - trans_b,
            ),
        )
    if tape.wants(b):
        left, right = (dy, a) if trans_b else (a, dy)
        yield (
            b,
            tape.op(
                "Gemm",
                left,
                right,
                alpha=alpha,
                transA=1 if trans_b else 1 - trans_a,
                transB=trans_a if trans_b else 0,
            ),
        )
    if len(node.inputs) > 2 and (c := node.inputs[2]) is not None and tape.wants(c):  # noqa: PLR2004 - a, b, c
        scaled = tape.scale(dy, number(node, "beta", 1.0), c)
        yield c, tape.sum_to(scaled, node.outputs[0], c)


def _transposed(tape: Tape, matrix: ir.Value) -> ir.Value:
    rank = len(dimensions(matrix))
    if rank < 2:  # noqa: PLR2004 - a matrix
        raise ExportError(f"{matrix.name}: the product with a vector is not supported")
    return tape.op("Transpose", matrix, perm=[*range(rank - 2), rank - 1, rank - 2])


def _sum_batches(tape: Tape, product: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    """Sum over batch dimensions in which `x` was broadcast."""
    lead = len(dimensions(y)) - len(dimensions(x))
    axes = [
        axis
        for axis, size in enumerate(dimensions(y)[:-2])
        if axis < lead or (dimensions(x)[axis - lead] == 1 and size != 1)
    ]
    if not axes:
        return product
    return tape.reshape_as(tape.op("ReduceSum", product, tape.constant(axes), keepdims=1), x)
