"""Maps of backbones of six families, random weights; oracles: captum and autograd in float64.

`make zoo-check` holds the graphs themselves against autograd, for all backbones of the zoo.
Near black, random networks are so ill-conditioned that EfficientNet-B0's integrated gradients
have no right digit in any float32: the line begins in mid-grey here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import pytest
import torch
from captum.attr import Saliency

from models.golden import cosine, relative_l2
from service.core.network import Floats, Network
from service.core.saliency.class_activation import (
    gradcam,
    gradcam_plus_plus,
    hirescam,
    layercam,
    xgradcam,
)
from service.core.saliency.gradients import gradient, smoothgrad
from service.core.saliency.integrated_gradients import integrated_gradients, line
from service.core.saliency.maps import Maps
from service.core.saliency.resampling import enlarge
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training import graphs, weights_file
from training.backbones import Backbone, backbone
from training.instrument import Instrumented
from training.zoo.accuracy import CLASSES, in_float64
from training.zoo.check import random_network
from training.zoo.problem import Problem

pytestmark = pytest.mark.slow

FAMILIES = [
    pytest.param("squeezenet1_1", marks=pytest.mark.smoke),
    "resnet18", "densenet121", "mobilenet_v3_small", "efficientnet_b0", "swin_t",
]  # fmt: skip

IMAGES, PASSES, SIGMA, SEED = 9, 4, 0.1, 7

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A random network in PyTorch, in float32 and in float64, and as ONNX Runtime serves it."""

    backbone: Backbone
    module: Instrumented
    exactly: Instrumented
    network: Network

    def problem(self, seed: int) -> tuple[Problem, int]:
        """A random image whose top class is explained, and that class."""
        drawn = Problem.draw(self.backbone, 1, classes=CLASSES, seed=seed)
        target = int(self.exactly(drawn.image.double()).logits.argmax())
        drawn.cotangent[:] = torch.eye(CLASSES)[target]
        drawn.softmax_weight[:] = 0
        return drawn, target


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    chosen = backbone(request.param)
    module = random_network(chosen)
    folder = tmp_path_factory.mktemp(chosen.name)
    built = graphs.build(module, chosen.layout, chosen.preprocessing.crop)
    weights_file.save(built, folder)
    device = choose(Provider.CPU)
    network = Network(
        cache(lambda graph: open_session(folder / graph.filename, device)), classes=CLASSES
    )
    return Model(chosen, module, in_float64(module), network)


def error(found: Doubles, exact: Doubles) -> float:
    return float(np.median(np.abs(found - exact)))


def as_parallel(found: Doubles, theirs: Doubles, exact: Doubles) -> bool:
    """Whether the cosine is no lower than PyTorch's.

    Where a rectifier's tie falls the other way, either may have the lower one.
    """
    return cosine(found, exact) >= min(cosine(theirs, exact), 0.9999)


def by_captum(network: Instrumented, image: torch.Tensor, target: int) -> Doubles:
    oracle = Saliency(lambda images: network(images).logits)
    pixels = image.to(network.mean.dtype, copy=True).requires_grad_()
    found = oracle.attribute(pixels, target)
    return np.asarray(found[0].double().amax(dim=0).detach().numpy())


def test_gradients_are_as_near_the_exact_ones_as_captums(model: Model) -> None:
    problem, target = model.problem(SEED)
    image, cotangent = problem.image[0].numpy(), problem.cotangent.numpy()

    found = gradient(model.network, image, cotangent).values[0].astype(np.float64)

    theirs, exact = (
        by_captum(each, problem.image, target) for each in (model.module, model.exactly)
    )
    assert error(found, exact) <= 2 * error(theirs, exact)
    assert as_parallel(found, theirs, exact)


def plus_plus(activations: Doubles, slopes: Doubles) -> Doubles:
    total = activations.sum(axis=(1, 2), keepdims=True)
    squares = np.where(slopes == 0, 1, slopes) ** 2
    alpha = squares / (2 * squares + total * squares * slopes)
    weights = (alpha * np.maximum(slopes, 0)).sum(axis=(1, 2), keepdims=True)
    return np.asarray((weights * activations).sum(axis=0))


def axiomatic(activations: Doubles, slopes: Doubles) -> Doubles:
    # Of a channel that is zero everywhere nothing is left, whatever its weight.
    below = activations.sum(axis=(1, 2), keepdims=True)
    weights = (slopes * activations).sum(axis=(1, 2), keepdims=True) / np.where(below, below, 1)
    return np.asarray((weights * activations).sum(axis=0))


@pytest.mark.parametrize(
    ("method", "formula"),
    [
        (gradcam, lambda a, g: (g.mean(axis=(1, 2), keepdims=True) * a).sum(axis=0)),
        (gradcam_plus_plus, plus_plus),
        (hirescam, lambda a, g: (g * a).sum(axis=0)),
        (layercam, lambda a, g: (np.maximum(g, 0) * a).sum(axis=0)),
        (xgradcam, axiomatic),
    ],
    ids=["gradcam", "gradcam++", "hirescam", "layercam", "xgradcam"],
)
def test_class_activation_maps_are_the_exact_ones(
    model: Model,
    method: Callable[[Network, Floats, Floats], Maps],
    formula: Callable[[Doubles, Doubles], Doubles],
) -> None:
    problem, _ = model.problem(SEED)
    image, cotangent = problem.image[0].numpy(), problem.cotangent.numpy()
    inside = problem.solve(model.exactly, model.backbone.layout)
    coarse = formula(inside["activations"][0], inside["activation_gradients"][0])
    exact = enlarge(np.maximum(coarse, 0)[np.newaxis], image.shape[1:])[0].astype(np.float64)
    found = method(model.network, image, cotangent).values[0].astype(np.float64)
    assert relative_l2(found, exact) < 1e-5


def slopes(network: Instrumented, images: Floats, target: int) -> Doubles:
    """The score's gradient at each of some images [N, 3, H, W]."""
    found = []
    for image in images:
        pixels = torch.from_numpy(image[np.newaxis]).to(network.mean.dtype).requires_grad_()
        (slope,) = torch.autograd.grad(network(pixels).logits[0, target], pixels)
        found.append(slope[0].double().numpy())
    return np.stack(found)


def smooth(network: Instrumented, image: Floats, target: int) -> Doubles:
    noise = np.random.default_rng(SEED).standard_normal((PASSES, *image.shape), dtype=np.float32)
    noisy = image + np.float32(SIGMA * np.ptp(image)) * noise
    return np.asarray(slopes(network, noisy, target).mean(axis=0).sum(axis=0))


def integrated(network: Instrumented, image: Floats, target: int) -> Doubles:
    start = np.full_like(image, 0.5)
    places, weights = line(PASSES)
    along = start + places.astype(np.float32)[:, None, None, None] * (image - start)
    mean = np.tensordot(weights, slopes(network, along, target), axes=1)
    return np.asarray((mean * (image - start)).sum(axis=0))


@pytest.mark.parametrize(
    ("method", "oracle"),
    [
        (partial(smoothgrad, samples=PASSES, sigma=SIGMA, seed=SEED, signed=True), smooth),
        (
            partial(integrated_gradients, steps=PASSES, baseline="grey", signed=True),
            integrated,
        ),
    ],
    ids=["smoothgrad", "integrated gradients"],
)
def test_mean_gradients_are_as_near_the_exact_ones_as_pytorchs(
    model: Model,
    method: Callable[..., Maps],
    oracle: Callable[[Instrumented, Floats, int], Doubles],
) -> None:
    ours, pytorchs, parallel = [], [], []
    for seed in range(IMAGES):
        problem, target = model.problem(seed)
        image, cotangent = problem.image[0].numpy(), problem.cotangent.numpy()
        found = method(model.network, image, cotangent).values[0].astype(np.float64)
        theirs, exact = (oracle(each, image, target) for each in (model.module, model.exactly))
        ours.append(np.abs(found - exact))
        pytorchs.append(np.abs(theirs - exact))
        parallel.append(as_parallel(found, theirs, exact))
    # A rectifier that falls the other way moves a whole map a thousand times as far as rounding
    # does, in either of them, and on most lines from grey one falls: a single image says nothing,
    # nor does the ratio of two maps of which only one was moved.
    assert np.median(ours) <= 2 * np.median(pytorchs)
    assert sum(parallel) > IMAGES / 2
