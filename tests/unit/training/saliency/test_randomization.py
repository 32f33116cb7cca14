"""Maps while weights become random, layer by layer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import MethodName
from models.preprocess import preprocess
from service.core.saliency.maps import Maps
from training.saliency import randomization

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return bundles.read(ROOT / "models" / "zoo" / "efficientnet_lite0" / "1")


@pytest.fixture(scope="module")
def crops(bundle: Bundle) -> npt.NDArray[np.uint8]:
    photo = (ROOT / "docs" / "samples" / "cat.jpg").read_bytes()
    return preprocess(photo, bundle.manifest.preprocessing).pixels[np.newaxis]


def edges(_: object, image: npt.NDArray[np.float32], cotangents: object) -> Maps:
    """The photo's edges, whatever the network is."""
    del cotangents
    return Maps(np.abs(np.diff(image.mean(axis=0), axis=1, append=0))[np.newaxis], passes=1)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradient", pytest.param("gradcam", marks=pytest.mark.smoke)])
def test_maps_change_as_layers_become_random(
    bundle: Bundle, crops: npt.NDArray[np.uint8], method: MethodName
) -> None:
    before = bundles.sha256(bundle.directory / bundles.WEIGHTS)
    stages = randomization.check(bundle, crops, method, seed=0)
    assert [each.randomized for each in stages] == sorted(each.randomized for each in stages)
    assert stages[-1].randomized == 1
    assert randomization.passes(stages)
    assert bundles.sha256(bundle.directory / bundles.WEIGHTS) == before


def test_a_method_that_shows_edges_fails(
    tiny_bundle: Bundle, replace: Callable[[MethodName, Callable[..., Maps]], None]
) -> None:
    replace("gradient", edges)
    crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    stages = randomization.check(tiny_bundle, crops, "gradient", seed=0)
    assert all(each.correlation == pytest.approx(1) for each in stages)
    assert not randomization.passes(stages)
