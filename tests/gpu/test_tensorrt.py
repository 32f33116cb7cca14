"""The default bundle on TensorRT: engines that are kept, and answers at every batch size."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Graph
from service.core.plan import batch_sizes
from service.runtime import engines
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose, missing_for
from service.runtime.session import OnnxSession
from service.runtime.warming import warm
from service.settings import ZOO

MISSING = missing_for(Provider.TENSORRT)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(MISSING is not None, reason=f"no TensorRT: {MISSING}"),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A copy, so that the first engine is built here."""
    directory = tmp_path_factory.mktemp("repository") / "efficientnet_lite0" / "1"
    shutil.copytree(ZOO / "efficientnet_lite0" / "1", directory)
    return bundles.read(directory)


def warmed(bundle: Bundle) -> OnnxSession:
    device = choose(Provider.TENSORRT)
    session = open_graph(bundle, Graph.MODEL, device)
    warm(session, device, bundle.manifest.graphs[Graph.MODEL].inputs, batch_sizes(16))
    return session


def engine_times(bundle: Bundle) -> dict[Path, int]:
    found = bundle.directory.parent.rglob("*.engine")
    return {path: path.stat().st_mtime_ns for path in found}


def test_the_version_of_tensorrt_is_known() -> None:
    assert engines.tensorrt_version() > 10_000


def test_no_engine_is_built_after_the_warm_up_nor_at_the_next_start(bundle: Bundle) -> None:
    session = warmed(bundle)
    built = engine_times(bundle)
    assert built
    for rows in range(1, 17):
        images = np.zeros((rows, 224, 224, 3), dtype=np.uint8)
        assert len(session.run({"image": images})["logits"]) == rows
    warmed(bundle)
    assert engine_times(bundle) == built


def test_the_answers_are_those_of_the_cpu(bundle: Bundle) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 3), dtype=np.uint8)
    expected = open_graph(bundle, Graph.MODEL, choose(Provider.CPU)).run({"image": images})
    found = warmed(bundle).run({"image": images})
    np.testing.assert_allclose(found["logits"], expected["logits"], rtol=1e-3, atol=1e-2)
