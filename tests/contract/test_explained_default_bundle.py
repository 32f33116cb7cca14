"""The default bundle's maps on ONNX Runtime; oracle: float64 autograd of the published weights."""

import copy
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models import bundle as bundles
from models.golden import cosine, relative_l2, to_float
from models.preprocess import preprocess
from service.core.network import Floats, Network
from service.core.saliency.class_activation import cam, gradcam, hirescam
from service.core.saliency.gradients import gradient
from service.core.saliency.integrated_gradients import integrated_gradients
from service.core.saliency.resampling import enlarge
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose

ROOT = Path(__file__).parents[2]
CAT = 282
PHOTOS = "data/imagenet_*.jpg"


@pytest.fixture(scope="module")
def bundle() -> bundles.Bundle:
    return bundles.read(ROOT / "models" / "zoo" / "efficientnet_lite0" / "1")


@pytest.fixture(scope="module")
def network(bundle: bundles.Bundle) -> Network:
    device = choose(Provider.CPU)
    head = bundles.cam_weights(bundle)
    return Network(cache(lambda graph: open_graph(bundle, graph, device)), classes=1000, head=head)


@pytest.fixture(scope="module")
def image(bundle: bundles.Bundle) -> Floats:
    photo = (ROOT / "docs" / "samples" / "cat.jpg").read_bytes()
    crop = preprocess(photo, bundle.manifest.preprocessing)
    return np.asarray(to_float(crop.pixels[np.newaxis])[0])


@pytest.fixture(scope="module")
def cotangents() -> Floats:
    return np.eye(1000, dtype=np.float32)[[CAT, 504]]


@pytest.fixture(scope="module")
def exact(lite0: Any, image: Floats) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The cat score's gradient at the pixels, and its Grad-CAM before it is enlarged."""
    module = copy.deepcopy(lite0).double()
    pixels = torch.from_numpy(image[None]).double().requires_grad_()
    activations = module.forward_features((pixels - 0.5) / 0.5)
    score = module.forward_head(activations)[0, CAT]
    at_pixels, at_layer = torch.autograd.grad(score, [pixels, activations])
    coarse = (at_layer.mean(dim=(2, 3), keepdim=True) * activations).sum(dim=1).relu()
    return at_pixels[0].numpy(), coarse.detach().numpy()


def test_the_gradient_is_autograds(
    network: Network, image: Floats, cotangents: Floats, exact: Any
) -> None:
    found = gradient(network, image, cotangents[:1]).values[0].astype(np.float64)
    expected = np.abs(exact[0]).max(axis=0)
    assert np.median(np.abs(found - expected)) < 1e-4 * np.median(expected)
    assert cosine(found, expected) > 0.9999


def test_gradcam_is_autograds_and_cams(
    network: Network, image: Floats, cotangents: Floats, exact: Any
) -> None:
    found = gradcam(network, image, cotangents).values.astype(np.float64)
    assert relative_l2(found[0], enlarge(exact[1], (224, 224))[0].astype(np.float64)) < 1e-5
    by_weights = cam(network, image, cotangents, signed=False).values.astype(np.float64) / 49
    by_gradients = hirescam(network, image, cotangents).values.astype(np.float64)
    assert relative_l2(found, by_weights) < 1e-5
    # Under such a head every position has the same gradient, which HiResCAM does not assume.
    assert relative_l2(found, by_gradients) < 1e-5


@pytest.mark.slow
def test_integrated_gradients_add_up_with_many_steps(
    bundle: bundles.Bundle, network: Network
) -> None:
    photos = sorted(Path(f.locate()) for f in files("foolbox") or [] if f.match(PHOTOS))[:7]
    gaps = []
    for photo in photos:
        crop = preprocess(photo.read_bytes(), bundle.manifest.preprocessing)
        image = to_float(crop.pixels[np.newaxis])[0]
        top = network.logits(image[np.newaxis]).argmax(axis=1)
        found = integrated_gradients(
            network, image, np.eye(1000, dtype=np.float32)[top],
            steps=256, baseline="black", signed=True,
        )  # fmt: skip
        assert found.gaps is not None
        gaps += found.gaps.tolist()
    assert len(gaps) == 7
    assert np.median(gaps) <= 0.01


def test_integrated_gradients_say_how_well_they_add_up(
    network: Network, image: Floats, cotangents: Floats
) -> None:
    found = integrated_gradients(
        network, image, cotangents[:1], steps=16, baseline="black", signed=True
    )
    ends = np.stack([np.zeros_like(image), image])
    low, high = network.logits(ends)[:, CAT].astype(np.float64)
    total = found.values.astype(np.float64).sum()
    assert found.gaps == pytest.approx(abs(total - (high - low)) / abs(high - low), rel=1e-3)
