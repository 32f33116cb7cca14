"""Oracle: the tiny model's closed forms in float64."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import BundleInvalid, GoldenMismatch, RuntimeFailure, Unsupported
from models.manifest import Graph, TensorSpec
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from service.settings import ZOO

CPU = choose(Provider.CPU)


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    """A copy of the tiny bundle to spoil."""
    shutil.copytree(tiny_bundle.directory, tmp_path / "copy")
    return bundles.read(tmp_path / "copy")


def rehashed(bundle: Bundle) -> Bundle:
    """The bundle with the hashes of what it holds now."""
    fields = bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    return bundles.write_manifest(bundle.directory, fields)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_classifier_computes_logits_at_any_batch_size(
    tiny_bundle: Bundle, tiny_model: Any, rows: int
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (rows, 32, 32, 3), dtype=np.uint8)
    outputs = open_graph(tiny_bundle, Graph.MODEL, CPU).run({"image": images})
    np.testing.assert_allclose(outputs["logits"], tiny_model.logits(images), atol=2e-6)
    np.testing.assert_allclose(outputs["embedding"], tiny_model.embedding(images), rtol=1e-5)


def test_only_the_outputs_that_are_asked_for_are_fetched(tiny_bundle: Bundle) -> None:
    session = open_graph(tiny_bundle, Graph.MODEL, CPU).fetching(["logits"])
    assert list(session.run({"image": np.zeros((1, 32, 32, 3), dtype=np.uint8)})) == ["logits"]


@pytest.mark.parametrize("graph", list(Graph))
def test_every_graph_reproduces_its_golden_outputs(tiny_bundle: Bundle, graph: Graph) -> None:
    assert "logits" in open_graph(tiny_bundle, graph, CPU, threads=1).outputs


@pytest.mark.parametrize("output", ["logits", "embedding", "activations"])
def test_a_graph_that_disagrees_with_its_reference_is_refused(bundle: Bundle, output: str) -> None:
    path = bundle.directory / "golden.npz"
    golden = dict(np.load(path))
    golden[output] = np.flip(golden[output], axis=-1)
    np.savez(path, **golden)
    with pytest.raises(GoldenMismatch, match=rf"^tiny version 1: model\.onnx: {output}"):
        open_graph(rehashed(bundle), Graph.MODEL, CPU)


def test_a_graph_that_is_no_graph_is_refused(bundle: Bundle) -> None:
    (bundle.directory / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(RuntimeFailure, match="ONNX Runtime"):
        open_graph(rehashed(bundle), Graph.MODEL, CPU)


def test_a_bundle_without_the_graph_says_so(bundle: Bundle) -> None:
    kept = {g: spec for g, spec in bundle.manifest.graphs.items() if g is not Graph.CAM}
    without = Bundle(bundle.directory, bundle.manifest.model_copy(update={"graphs": kept}))
    with pytest.raises(Unsupported, match=r"no cam\.onnx"):
        open_graph(without, Graph.CAM, CPU)


@pytest.mark.parametrize(
    ("graph", "changes"),
    [
        (Graph.MODEL, {"name": "picture"}),
        (Graph.FLOAT, {"dtype": "float16"}),
        (Graph.CAM, {"shape": ["N", 3, 32, 64]}),
    ],
)
def test_a_graph_that_takes_something_else_than_stated_is_refused(
    tiny_bundle: Bundle, graph: Graph, changes: dict[str, object]
) -> None:
    stated = tiny_bundle.manifest.graphs[graph]
    image = TensorSpec.model_validate(stated.inputs[0].model_dump() | changes)
    specs = {graph: stated.model_copy(update={"inputs": (image, *stated.inputs[1:])})}
    other = tiny_bundle.manifest.model_copy(update={"graphs": specs})
    with pytest.raises(BundleInvalid, match=rf"{graph}\.onnx has other inputs or outputs"):
        open_graph(Bundle(tiny_bundle.directory, other), graph, CPU)


def test_a_classifiers_weight_that_lies_elsewhere_than_stated_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ZOO / "efficientnet_lite0" / "1", tmp_path / "copy")
    fields = bundles.read(tmp_path / "copy").manifest.model_dump(mode="json", exclude={"sha256"})
    fields["explained_layer"]["cam"]["offset"] += 4

    with pytest.raises(GoldenMismatch, match="the classifier's weight"):
        open_graph(bundles.write_manifest(tmp_path / "copy", fields), Graph.MODEL, CPU)
