"""Writing ONNX nodes, tersely."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from models.errors import ExportError

END = 2**63 - 1
"""A slice's end that means the end of the axis."""

Attribute = int | float | str | Iterable[int]


class Stretch(NamedTuple):
    """A value that is put along one axis of a larger one, zeros before and behind it."""

    value: ir.Value
    axis: int
    before: int
    behind: int


class Tape:
    """Appends nodes and constants to a graph.

    `differentiable` are the values through which the gradient flows: rules compute nothing
    for the others (weights, shapes, masks).
    """

    def __init__(self, graph: ir.Graph, differentiable: frozenset[ir.Value] = frozenset()) -> None:
        self._graph = graph
        self._differentiable = differentiable
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}
        self._stretches: dict[ir.Value, Stretch] = {}

    def wants(self, value: ir.Value | None) -> bool:
        """Whether the gradient flows through this value."""
        return value in self._differentiable

    def op(self, op_type: str, *inputs: ir.Value | None, **attributes: Attribute) -> ir.Value:
        """Append a node; returns its (first) output."""
        node = ir.node(op_type, inputs, {k: _plain(v) for k, v in attributes.items()})
        self._graph.append(node)
        output = node.outputs[0]
        output.name = f"{op_type}_{len(self._graph)}"
        return output

    def constant(self, array: npt.ArrayLike, like: ir.Value | None = None) -> ir.Value:
        """A constant of the dtype of `like`, or int64 (shapes, axes, pads) without it."""
        dtype = np.dtype(np.int64) if like is None else dtype_of(like)
        data = np.asarray(array, dtype=dtype)
        key = (dtype.str, data.shape, data.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._graph.initializers)}"
            value = ir.Value(
                name=name,
                type=ir.TensorType(ir.DataType.from_numpy(dtype)),
                shape=ir.Shape(data.shape),
                const_value=ir.tensor(data, name=name),
            )
            self._graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def scale(self, value: ir.Value, factor: float, like: ir.Value) -> ir.Value:
        """`value` times a number; `like` gives the dtype."""
        return value if factor == 1 else self.op("Mul", value, self.constant(factor, like))

    def surround(
        self,
        value: ir.Value,
        around: Mapping[int, tuple[int, int]],
        rank: int,
        fill: ir.Value | None = None,
    ) -> ir.Value:
        """Put zeros, or `fill`, before and after along some axes; a negative number cuts off."""
        cut = {axis: sides for axis, sides in around.items() if min(sides) < 0}
        if cut:
            value = self.op(
                "Slice", value,
                self.constant([max(-before, 0) for before, _ in cut.values()]),
                self.constant([after if after < 0 else END for _, after in cut.values()]),
                self.constant(list(cut)),
            )  # fmt: skip
        pads = [0] * (2 * rank)
        for axis, (before, after) in around.items():
            pads[axis], pads[rank + axis] = max(before, 0), max(after, 0)
        if not any(pads):
            return value
        whole = self.op("Pad", value, self.constant(pads), *([] if fill is None else [fill]))
        if fill is None and len(around) == 1:
            ((axis, (before, behind)),) = around.items()
            self._stretches[whole] = Stretch(value, axis, max(before, 0), max(behind, 0))
        return whole

    def total(self, values: Sequence[ir.Value]) -> ir.Value:
        """The sum of one or more values of the same shape."""
        if len(values) == 1:
            return values[0]
        # The runtime fuses Add into a convolution; Sum takes any number.
        return self.op("Add" if len(values) == 2 else "Sum", *values)  # noqa: PLR2004 - Add's

    def total_like(self, values: Sequence[ir.Value], like: ir.Value) -> ir.Value:
        """The sum of values of the shape of `like`.

        What `surround` has put side by side along an axis, from end to end, is not added up but
        written there at once.
        """
        parts = sorted(
            (self._stretches[value] for value in values if value in self._stretches),
            key=lambda part: part.before,
        )
        if len(parts) < len(values) or not _fill_an_axis(parts, like):
            return self.total(values)
        return self.op("Concat", *(part.value for part in parts), axis=parts[0].axis)

    def shape_of(self, value: ir.Value) -> ir.Value:
        """An int64 vector holding a value's shape at run time."""
        dims = dimensions(value)
        sizes = [dim for dim in dims if dim is not None]
        return self.constant(sizes) if len(sizes) == len(dims) else self.op("Shape", value)

    def reshape_as(self, gradient: ir.Value, value: ir.Value) -> ir.Value:
        """Reshape to another value's shape; at most one unknown dimension costs no `Shape`."""
        dims = dimensions(value)
        if dims.count(None) <= 1:
            return self.op(
                "Reshape", gradient, self.constant([-1 if d is None else d for d in dims])
            )
        return self.op("Reshape", gradient, self.op("Shape", value))

    def sum_to(self, gradient: ir.Value, output: ir.Value, value: ir.Value) -> ir.Value:
        """Undo broadcasting: sum a gradient of `output`'s shape to the shape of `value`."""
        from_dims, to_dims = dimensions(output), dimensions(value)
        lead = len(from_dims) - len(to_dims)
        axes = [
            axis
            for axis, dim in enumerate(from_dims)
            if axis < lead or (to_dims[axis - lead] == 1 and dim != 1)
        ]
        if not axes:
            return gradient
        summed = self.op("ReduceSum", gradient, self.constant(axes), keepdims=1)
        return self.reshape_as(summed, value) if lead else summed


def _fill_an_axis(parts: Sequence[Stretch], whole: ir.Value) -> bool:
    """Whether the parts, in order, cover one axis of the whole, each element once."""
    axis = parts[0].axis
    size = dimensions(whole)[axis]
    meets = (
        size is not None and size - one.behind == other.before for one, other in pairwise(parts)
    )
    return (
        all(part.axis == axis for part in parts)
        and parts[0].before == parts[-1].behind == 0
        and all(meets)
    )


def dimensions(value: ir.Value) -> list[int | None]:
    """A value's shape; None for a dimension that depends on the batch."""
    if value.shape is None:
        raise ExportError(f"the shape of {value.name} is not known")
    return [dim if isinstance(dim, int) else None for dim in value.shape]


def static(value: ir.Value, axis: int) -> int:
    """The size of a dimension that must not depend on the batch."""
    size = dimensions(value)[axis]
    if size is None:
        raise ExportError(f"dimension {axis} of {value.name} depends on the batch")
    return size


def dtype_of(value: ir.Value) -> np.dtype[np.generic]:
    """A value's NumPy dtype."""
    if value.dtype is None:
        raise ExportError(f"the type of {value.name} is not known")
    return np.dtype(value.dtype.numpy())


def constant_of(value: ir.Value | None, what: str) -> npt.NDArray[np.generic]:
    """The array behind a constant input."""
    if value is None or value.const_value is None:
        raise ExportError(f"{what} is not a constant")
    return np.asarray(value.const_value.numpy())


def input_of(node: ir.Node, index: int) -> ir.Value:
    """A node's input that must be there."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        raise ExportError(f"{node.op_type} lacks its input {index}")
    return value


def optional_input(node: ir.Node, index: int) -> ir.Value | None:
    """A node's input, or None where it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def ints(node: ir.Node, name: str, default: Iterable[int]) -> list[int]:
    """An attribute that is a list of integers."""
    attribute = node.attributes.get(name)
    return list(default) if attribute is None else list(attribute.as_ints())


def integer(node: ir.Node, name: str, default: int) -> int:
    """An attribute that is an integer."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_int()


def number(node: ir.Node, name: str, default: float) -> float:
    """An attribute that is a floating-point number."""
    attribute = node.attributes.get(name)
    return default if attribute is None else meant(attribute.as_float())


def meant(attribute: float) -> float:
    """The number that an attribute stands for.

    Attributes are float32, even in a float64 graph: 0.16666667163… means 1/6.
    """
    simple = float(Fraction(attribute).limit_denominator(1000))
    return simple if np.float32(simple) == np.float32(attribute) else attribute


def _plain(attribute: Attribute) -> int | float | str | list[int]:
    return attribute if isinstance(attribute, int | float | str) else list(attribute)
