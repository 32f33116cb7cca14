"""`weights.bin`: each tensor once, whichever graphs use it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from models.bundle import WEIGHTS
from models.manifest import Graph

ALIGNMENT = 64
"""Bytes; a cache line."""

SMALLEST = 64
"""Bytes; scalars stay in the graph, where the runtime's optimiser sees them at once."""

STORED = frozenset(
    {
        ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.INT8,
        ir.DataType.UINT8, ir.DataType.INT32,
    }
)  # fmt: skip
"""Weights, and what quantization makes of them; shapes (int64) stay in the graph."""


@dataclass(frozen=True)
class Place:
    """Where a tensor lies in the file, in bytes."""

    offset: int
    length: int


def save(graphs: Mapping[Graph, ir.Model], directory: Path) -> dict[str, Place]:
    """Write the graphs and the one weights file they share; returns each tensor's place.

    Tensors are the same when their type and bytes are; shapes stand in the graphs.
    """
    places: dict[tuple[ir.DataType, bytes], Place] = {}
    by_name: dict[str, Place] = {}
    with (directory / WEIGHTS).open("wb") as file:
        for graph, model in graphs.items():
            for value in model.graph.initializers.values():
                tensor = value.const_value
                if tensor is None or tensor.dtype not in STORED or tensor.nbytes < SMALLEST:
                    continue
                content = np.ascontiguousarray(tensor.numpy()).tobytes()
                key = (tensor.dtype, content)
                if key not in places:
                    file.write(b"\0" * (-file.tell() % ALIGNMENT))
                    places[key] = Place(file.tell(), len(content))
                    file.write(content)
                by_name[value.name or ""] = places[key]
                value.const_value = _external(value, tensor, places[key], directory)
            ir.save(model, directory / graph.filename)
    return by_name


def _external(
    value: ir.Value, tensor: ir.TensorProtocol, place: Place, directory: Path
) -> ir.ExternalTensor:
    return ir.ExternalTensor(
        WEIGHTS, place.offset, place.length, tensor.dtype,
        shape=ir.Shape(tensor.numpy().shape), name=value.name or "", base_dir=directory,
    )  # fmt: skip
