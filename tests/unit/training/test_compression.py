"""A bundle in fewer bits: what changes, and what does not."""

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from models import bundle as bundles
from models.bundle import WEIGHTS, Bundle
from models.errors import ExportError, GoldenMismatch
from models.manifest import Graph, Precision
from service.runtime.loading import check, open_graph
from service.runtime.providers import Provider, choose
from training.compression import compress, serving_size

ZOO = Path(__file__).parents[3] / "models" / "zoo" / "efficientnet_lite0" / "1"
CPU = choose(Provider.CPU)


def crops(count: int = 8) -> npt.NDArray[np.uint8]:
    """Patches of the default bundle's golden images, as large as its crop."""
    images = np.load(ZOO / "golden.npz")["image"]
    return np.concatenate([np.roll(images, 13 * shift, axis=2) for shift in range(count // 2)])


def copied(target: Path) -> Bundle:
    shutil.copytree(ZOO, target)
    return bundles.read(target)


@pytest.fixture(scope="module", params=[Precision.FP16, Precision.INT8])
def compressed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    staged = copied(tmp_path_factory.mktemp("compressed") / "bundle")
    return compress(staged, request.param, crops(), seed=0)


@pytest.fixture(scope="module")
def original() -> Bundle:
    return bundles.read(ZOO)


def test_it_is_a_whole_bundle_that_reproduces_its_golden_outputs(compressed: Bundle) -> None:
    bundles.verify(compressed)
    check(compressed, CPU)


def test_its_manifest_says_its_precision_and_keeps_the_rest(
    compressed: Bundle, original: Bundle
) -> None:
    changed = {"precision", "tolerances", "sha256"}

    assert compressed.manifest.precision is not Precision.FP32
    assert compressed.manifest.model_dump(exclude=changed) == original.manifest.model_dump(
        exclude=changed
    )


@pytest.mark.parametrize("graph", [Graph.FLOAT, Graph.CAM, Graph.GRADIENT])
def test_what_explains_computes_exactly_as_before(
    compressed: Bundle, original: Bundle, graph: Graph
) -> None:
    golden = dict(np.load(ZOO / "golden.npz"))
    image = golden["image"].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    outputs = []
    for bundle in (compressed, original):
        session = open_graph(bundle, graph, CPU, threads=1)
        given = golden | {"image": image}
        outputs.append(session.run({name: given[name] for name in session.inputs}))

    for name, found in outputs[0].items():
        np.testing.assert_array_equal(found, outputs[1][name])


def test_the_cam_weights_lie_where_the_manifest_says(compressed: Bundle) -> None:
    layer = compressed.manifest.explained_layer
    assert layer is not None
    assert layer.cam is not None
    model = onnx.load(ZOO / "model.onnx")
    stored = {tensor.name: tensor for tensor in model.graph.initializer}

    data = (compressed.directory / WEIGHTS).read_bytes()
    count = int(np.prod(layer.cam.shape))
    found = np.frombuffer(data, np.float32, count, layer.cam.offset).reshape(layer.cam.shape)
    np.testing.assert_array_equal(found, numpy_helper.to_array(stored[layer.cam.weight]))


def test_each_tensor_is_stored_once(compressed: Bundle) -> None:
    data = (compressed.directory / WEIGHTS).read_bytes()
    contents: dict[tuple[int, int], tuple[int, bytes]] = {}
    for path in compressed.directory.glob("*.onnx"):
        for tensor in onnx.load(path, load_external_data=False).graph.initializer:
            where = {entry.key: entry.value for entry in tensor.external_data}
            if where:
                offset, length = int(where["offset"]), int(where["length"])
                content = tensor.data_type, data[offset : offset + length]
                contents[offset, length] = content

    assert len(set(contents.values())) == len(contents)


def test_what_serves_is_smaller(compressed: Bundle, original: Bundle) -> None:
    # The classifier's 1280 x 1000 weights stay float32.
    head = 4 * 1280 * 1000
    share = {Precision.FP16: 1 / 2, Precision.INT8: 1 / 4}[compressed.manifest.precision]
    body = serving_size(original) - head

    assert serving_size(compressed) - head == pytest.approx(share * body, rel=0.15)


def test_a_provider_that_computes_something_else_is_caught(
    compressed: Bundle, tmp_path: Path
) -> None:
    spoiled = Path(shutil.copytree(compressed.directory, tmp_path / "spoiled"))
    golden = dict(np.load(spoiled / "golden.npz"))
    golden["embedding"] = np.roll(golden["embedding"], 1, axis=1)
    np.savez(spoiled / "golden.npz", allow_pickle=False, **golden)

    with pytest.raises(GoldenMismatch, match="embedding"):
        open_graph(bundles.read(spoiled), Graph.MODEL, CPU)


def test_a_model_that_rounding_breaks_is_refused(tmp_path: Path) -> None:
    staged = copied(tmp_path / "bundle")
    # Ranges that were set by black images alone cut off what other images show.
    black = np.zeros((2, 224, 224, 3), dtype=np.uint8)

    with pytest.raises(ExportError, match="int8 moves the golden outputs"):
        compress(staged, Precision.INT8, black, seed=0)
