"""Maps of backbones of six families, random weights; oracles: captum and autograd in float64.

`make zoo-check` holds the graphs themselves against autograd, for all backbones of the zoo.
Integrated gradients are left to real weights: near black, random ones are so ill-conditioned
that no float32 has a digit right.
"""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from captum.attr import Saliency

from models.golden import cosine, relative_l2
from service.core.network import Network
from service.core.saliency.class_activation import gradcam, hirescam
from service.core.saliency.gradients import gradient
from service.core.saliency.resampling import enlarge
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training import graphs, weights_file
from training.backbones import backbone
from training.instrument import Instrumented
from training.zoo.accuracy import CLASSES, in_float64
from training.zoo.check import random_network
from training.zoo.problem import Problem

FAMILIES = [
    pytest.param("squeezenet1_1", marks=pytest.mark.smoke),
    "resnet18", "densenet121", "mobilenet_v3_small", "efficientnet_b0", "swin_t",
]  # fmt: skip

Doubles = npt.NDArray[np.float64]


def closer(found: Doubles, theirs: Doubles, exact: Doubles) -> bool:
    """Whether a map is as near the exact one as float32 in PyTorch is, to a factor of two."""
    ours, other = (float(np.median(np.abs(each - exact))) for each in (found, theirs))
    assert np.median(np.abs(exact)) > 0
    # Where a rectifier's tie falls the other way, either may have the lower cosine.
    return ours <= 2 * other and cosine(found, exact) >= min(cosine(theirs, exact), 0.9999)


def by_captum(network: Instrumented, image: torch.Tensor, target: int) -> Doubles:
    oracle = Saliency(lambda images: network(images).logits)
    pixels = image.to(network.mean.dtype, copy=True).requires_grad_()
    found = oracle.attribute(pixels, target)
    return np.asarray(found[0].double().amax(dim=0).detach().numpy())


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_maps_are_as_near_the_exact_ones_as_pytorchs_own(name: str, tmp_path: Path) -> None:
    chosen = backbone(name)
    module = random_network(chosen)
    built = graphs.build(module, chosen.layout, chosen.preprocessing.crop)
    weights_file.save(built, tmp_path)
    device = choose(Provider.CPU)
    network = Network(
        cache(lambda graph: open_session(tmp_path / graph.filename, device)), classes=CLASSES
    )
    problem = Problem.draw(chosen, 1, classes=CLASSES, seed=7)
    exactly = in_float64(module)
    target = int(exactly(problem.image.double()).logits.argmax())
    problem.cotangent[:] = torch.eye(CLASSES)[target]
    problem.softmax_weight[:] = 0
    image, cotangent = problem.image[0].numpy(), problem.cotangent.numpy()

    found = gradient(network, image, cotangent).values[0].astype(np.float64)
    theirs, exact = (by_captum(each, problem.image, target) for each in (module, exactly))
    assert closer(found, theirs, exact)

    inside = problem.solve(exactly, chosen.layout)
    activations, slopes = inside["activations"][0], inside["activation_gradients"][0]
    for method, weights in ((gradcam, slopes.mean(axis=(1, 2), keepdims=True)), (hirescam, slopes)):
        coarse = np.maximum((weights * activations).sum(axis=0), 0)
        exact = enlarge(coarse[np.newaxis], image.shape[1:])[0].astype(np.float64)
        values = method(network, image, cotangent).values[0].astype(np.float64)
        assert relative_l2(values, exact) < 1e-5
