"""The one weights file: nothing twice, nothing large outside it, and nothing of the machine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

Exported = Any
Export = Callable[[str], Exported]

FLOATING = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
BACKBONES = ("squeezenet1_1", "resnet18", "lenet5", "mlp")


@dataclass(frozen=True)
class Stored:
    """A tensor of a graph and, if it lies in another file, where."""

    graph: str
    tensor: TensorProto
    where: dict[str, str]

    @property
    def span(self) -> tuple[int, int]:
        offset = int(self.where["offset"])
        return offset, offset + int(self.where["length"])


@pytest.fixture(params=BACKBONES)
def backbone(exported: Export, request: pytest.FixtureRequest) -> Exported:
    return exported(request.param)


def tensors(directory: Path) -> Iterator[Stored]:
    for path in sorted(directory.glob("*.onnx")):
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            where = {entry.key: entry.value for entry in tensor.external_data}
            yield Stored(path.name, tensor, where)
        for node in model.graph.node:
            for attribute in node.attribute:
                assert not attribute.HasField("t"), "constants are initializers"


def test_every_sizeable_float_tensor_lies_in_the_weights_file(backbone: Exported) -> None:
    for stored in tensors(backbone.directory):
        size = numpy_helper.to_array(stored.tensor, str(backbone.directory)).nbytes
        if stored.tensor.data_type in FLOATING and size >= 64:
            assert stored.where["location"] == "weights.bin", stored.tensor.name
        else:
            assert not stored.where, stored.tensor.name


def test_no_content_is_stored_twice(backbone: Exported) -> None:
    data = (backbone.directory / "weights.bin").read_bytes()
    spans = sorted({stored.span for stored in tensors(backbone.directory) if stored.where})
    contents = [data[start:end] for start, end in spans]
    assert len(set(contents)) == len(contents)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_the_file_holds_tensors_alone(backbone: Exported) -> None:
    size = (backbone.directory / "weights.bin").stat().st_size
    spans = sorted({stored.span for stored in tensors(backbone.directory) if stored.where})
    assert all(start % 64 == 0 for start, _ in spans)
    assert sum(end - start for start, end in spans) > size - 64 * len(spans)
    assert spans[-1][1] == size


def test_all_graphs_share_the_tensors_of_the_forward_pass(backbone: Exported) -> None:
    spans: dict[str, set[tuple[int, int]]] = {}
    for stored in tensors(backbone.directory):
        if stored.where:
            spans.setdefault(stored.graph, set()).add(stored.span)
    forward = spans["float.onnx"]
    assert spans["model.onnx"] == forward
    # Backward passes read the same weights; what they add is small (shapes of pooling).
    for graph, used in spans.items():
        extra = sum(end - start for start, end in used - forward)
        assert extra <= 0.01 * sum(end - start for start, end in forward), graph


def test_what_is_stored_is_what_the_network_computes_with(backbone: Exported) -> None:
    name = backbone.network.classifier_name
    weight = backbone.network.module.get_submodule(name).weight.detach().numpy()
    stored = next(
        s for s in tensors(backbone.directory) if s.tensor.name == f"module.{name}.weight"
    )
    found = numpy_helper.to_array(stored.tensor, str(backbone.directory))
    np.testing.assert_array_equal(found, weight)


def test_graphs_tell_nothing_of_the_machine_that_made_them(backbone: Exported) -> None:
    for path in backbone.directory.glob("*.onnx"):
        text = path.read_bytes()
        for trace in (
            b".py",
            b"Traceback",
            b"site-packages",
            bytes(Path.home()),
            bytes(Path.cwd()),
        ):
            assert trace not in text, (path.name, trace)
        model = onnx.load(path, load_external_data=False)
        assert not model.metadata_props
        assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_graphs_are_small(backbone: Exported) -> None:
    for path in backbone.directory.glob("*.onnx"):
        assert path.stat().st_size < 200_000, path.name


def test_graphs_are_valid(backbone: Exported) -> None:
    for path in backbone.directory.glob("*.onnx"):
        onnx.checker.check_model(path, full_check=True)
