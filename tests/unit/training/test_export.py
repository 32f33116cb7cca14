"""From a backbone to a published bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import numpy_helper

from models import bundle as bundles
from models import golden
from models.bundle import Bundle
from models.errors import ExportError, GoldenMismatch, WeightsError
from models.manifest import Graph
from models.repository import Repository
from service.runtime.loading import check
from service.runtime.providers import Provider, choose
from training import golden as training_golden
from training.backbones import backbone
from training.export import Export, export, read_labels

LABELS = ("cat", "dog, hound", "ægir", "4")


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "pets.txt"
    path.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def bundle(repository: Repository, labels: Path) -> Bundle:
    return export(Export("lenet5", "none", labels, "pets", seed=3), repository)


def test_a_bundle_is_published_whole(bundle: Bundle, repository: Repository) -> None:
    bundles.verify(bundle)
    assert repository.open("pets").manifest == bundle.manifest
    assert bundle.directory == repository.root / "pets" / "1"
    assert {path.name for path in bundle.directory.iterdir()} == {
        "manifest.json", "model.onnx", "float.onnx", "cam.onnx", "gradient.onnx",
        "weights.bin", "golden.npz",
    }  # fmt: skip


def test_its_manifest_says_what_it_is(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert manifest.labels == LABELS
    assert manifest.calibration is None
    assert manifest.precision == "fp32"
    assert manifest.preprocessing == backbone("lenet5").preprocessing
    provenance = manifest.provenance
    assert (provenance.backbone, provenance.weights, provenance.seed) == ("lenet5", "random", 3)
    assert provenance.libraries["torch"] == torch.__version__.partition("+")[0]


def test_its_manifest_states_the_real_inputs_and_outputs(bundle: Bundle) -> None:
    for graph, spec in bundle.manifest.graphs.items():
        model = onnx.load(bundle.graph(graph), load_external_data=False)
        for stated, real in ((spec.inputs, model.graph.input), (spec.outputs, model.graph.output)):
            assert [tensor.name for tensor in stated] == [value.name for value in real]
            for tensor, value in zip(stated, real, strict=True):
                kind = value.type.tensor_type
                shape = [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
                assert list(tensor.shape) == shape
                assert tensor.dtype == onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
        assert model.opset_import[0].version == bundle.manifest.opset


def test_the_same_seed_gives_the_same_bundle(bundle: Bundle, labels: Path, tmp_path: Path) -> None:
    again = export(Export("lenet5", "none", labels, "pets", seed=3), Repository(tmp_path))
    other = export(Export("lenet5", "none", labels, "pets", seed=4), Repository(tmp_path))
    assert again.manifest.sha256 == bundle.manifest.sha256
    assert other.manifest.version == 2
    assert other.manifest.sha256["weights.bin"] != bundle.manifest.sha256["weights.bin"]


def test_weights_of_a_file_tell_how_many_classes_there_are(
    tmp_path: Path, labels: Path, repository: Repository
) -> None:
    path = tmp_path / "pets.pth"
    module = backbone("linear").build(len(LABELS))
    torch.save(module.state_dict(), path)
    found = export(Export("linear", str(path), labels), repository)
    graph = onnx.load(found.graph(Graph.MODEL), load_external_data=False)
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    weight = numpy_helper.to_array(stored["module.1.weight"], str(found.directory))
    np.testing.assert_array_equal(weight, module.state_dict()["1.weight"].numpy())
    assert found.manifest.provenance.weights == "pets.pth"


def test_without_a_spatial_layer_there_is_no_cam(repository: Repository, labels: Path) -> None:
    found = export(Export("mlp", "none", labels), repository).manifest
    assert set(found.graphs) == {Graph.MODEL, Graph.FLOAT, Graph.GRADIENT}
    assert found.explained_layer is None
    assert found.default_explanation == "gradient"


def test_cam_weights_are_named_only_where_the_head_is_linear(bundle: Bundle) -> None:
    layer = bundle.manifest.explained_layer
    assert layer is not None
    assert (layer.channels, layer.grid) == (16, (10, 10))
    assert layer.cam is None  # LeNet-5 has three layers behind its grid


def test_labels_must_be_as_many_as_the_weights_tell_apart(
    tmp_path: Path, labels: Path, repository: Repository
) -> None:
    path = tmp_path / "ten.pth"
    torch.save(backbone("linear").build(10).state_dict(), path)
    with pytest.raises(ExportError, match=r"4 labels.*10 classes.*--labels FILE"):
        export(Export("linear", str(path), labels), repository)
    with pytest.raises(ExportError, match=r"ImageNet has 1000 labels.*10 classes"):
        export(Export("linear", str(path)), repository)


def test_weights_that_do_not_fit_the_labels_are_refused(
    tmp_path: Path, labels: Path, repository: Repository
) -> None:
    path = tmp_path / "other.pth"
    torch.save(backbone("lenet5").build(4).state_dict(), path)
    with pytest.raises(WeightsError, match="does not fit"):
        export(Export("linear", str(path), labels), repository)


def test_imagenet_has_a_thousand_labels() -> None:
    found = read_labels(None, 1000)
    assert (found[0], found[281]) == ("tench, Tinca tinca", "tabby, tabby cat")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_labels_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportError, match="cannot read the labels"):
        read_labels(path, 3)


def test_an_empty_label_file_is_refused(tmp_path: Path, repository: Repository) -> None:
    path = tmp_path / "labels.txt"
    path.touch()
    with pytest.raises(ExportError, match="holds no labels"):
        export(Export("linear", "none", path), repository)


def test_a_blank_label_is_refused_with_its_line(tmp_path: Path, repository: Repository) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("cat\n\ndog\n", encoding="utf-8")
    with pytest.raises(ExportError, match="line 2 is empty"):
        export(Export("lenet5", weights="none", labels=path), repository)


def test_a_name_that_is_none_is_refused_before_any_work(repository: Repository) -> None:
    with pytest.raises(ExportError, match="--name 'A b'"):
        export(Export("vgg19", weights="none", name="A b"), repository)


def test_an_unknown_backbone_is_refused(repository: Repository) -> None:
    with pytest.raises(ExportError, match="no backbone 'lenet6'"):
        export(Export("lenet6", "none"), repository)


def test_nothing_is_published_when_an_export_fails(repository: Repository, labels: Path) -> None:
    with pytest.raises(WeightsError):
        export(Export("lenet5", "gone.pth", labels, "gone"), repository)
    assert "gone" not in [path.name for path in repository.root.iterdir()]


@pytest.mark.parametrize("graph", list(Graph))
def test_a_graph_that_computes_something_else_is_caught(
    bundle: Bundle, tmp_path: Path, graph: Graph
) -> None:
    for path in bundle.directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    arrays = golden.read(tmp_path / "golden.npz")
    output = bundle.manifest.graphs[graph].outputs[-1].name
    arrays[output] = np.negative(arrays[output].astype(np.float32))
    np.savez(tmp_path / "golden.npz", allow_pickle=False, **arrays)
    fields = bundle.manifest.model_dump(exclude={"sha256"})
    with pytest.raises(GoldenMismatch, match=rf"{output}"):
        check(bundles.write_manifest(tmp_path, fields), choose(Provider.CPU))


def test_a_bundle_whose_graphs_are_wrong_is_not_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, labels: Path
) -> None:
    def elsewhere(*network: Any, **options: Any) -> Mapping[str, npt.NDArray[np.generic]]:
        arrays = training_golden.golden(*network, **options)
        return {**arrays, "logits": arrays["logits"] + 1}

    monkeypatch.setattr("training.export.golden", elsewhere)

    with pytest.raises(GoldenMismatch, match="logits"):
        export(Export("lenet5", "none", labels, "pets"), Repository(tmp_path))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("request_", "command"),
    [
        (Export("resnet18"), "--backbone resnet18 --weights default"),
        (
            Export("mlp", "/home/me/my w.pth", Path("/home/me/l.txt"), "m"),
            "--backbone mlp --weights 'my w.pth' --labels l.txt --name m",
        ),
    ],
)
def test_the_command_that_makes_it_again(request_: Export, command: str) -> None:
    assert request_.command == f"seewhy export {command}"
