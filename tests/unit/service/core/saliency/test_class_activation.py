"""Oracles: captum's Grad-CAM in float64; for the others their papers' formulas in PyTorch."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from captum.attr import LayerGradCam

from models.errors import Unsupported
from models.manifest import Graph
from service.core.network import Floats
from service.core.saliency import class_activation
from service.core.saliency.maps import Maps


def enlarged(coarse: torch.Tensor) -> npt.NDArray[np.float64]:
    size, mode = (24, 20), "bilinear"
    large = torch.nn.functional.interpolate(coarse.relu()[None, None], size, mode=mode)
    return large[0, 0].detach().numpy()


def inside(module: Any, image: Floats, cotangent: Floats) -> tuple[torch.Tensor, torch.Tensor]:
    """The layer's activations and their gradients, both [C, h, w]."""
    images = torch.from_numpy(image[None]).double()
    activations = module.layer(torch.relu(module.first(3 * images - 1))).requires_grad_()
    score = (module.from_layer(activations) @ torch.from_numpy(cotangent).double()).sum()
    (gradients,) = torch.autograd.grad(score, [activations])
    return activations[0].detach(), gradients[0]


def plus_plus(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(activations.shape[1:], dtype=torch.float64)
    for channel, slopes in zip(activations, gradients, strict=True):
        alpha = slopes**2 / (2 * slopes**2 + channel.sum() * slopes**3)
        total += (alpha * slopes.relu()).sum() * channel
    return total


def hires(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    return (activations * gradients).sum(dim=0)


def layer(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    return (activations * gradients.relu()).sum(dim=0)


def axiomatic(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(activations.shape[1:], dtype=torch.float64)
    for channel, slopes in zip(activations, gradients, strict=True):
        total += (slopes * channel / channel.sum()).sum() * channel
    return total


@pytest.mark.parametrize("kind", ["subject", "pooled"])
def test_gradcam_is_captums(
    kind: str, image: Floats, cotangents: Floats, request: pytest.FixtureRequest
) -> None:
    subject: Any = request.getfixturevalue(kind)
    found = class_activation.gradcam(subject.network, image, cotangents)
    given = torch.from_numpy(image[None]).double()
    for values, cotangent in zip(found.values, cotangents, strict=True):
        weights = torch.from_numpy(cotangent).double()
        # Captum needs a network whose parameters have gradients, and looks at one output.
        module = subject.module.requires_grad_()
        oracle = LayerGradCam(lambda x, w=weights, m=module: m(x) @ w, module.layer)
        expected = oracle.attribute(given, relu_attributions=True)[0, 0]
        assert relative(values, enlarged(expected)) < 1e-5
        module.requires_grad_(requires_grad=False)


@pytest.mark.parametrize("name", ["gradcam", "cam", "eigencam"])
def test_activations_that_were_seen_cost_no_pass_and_change_no_map(
    pooled: Any, image: Floats, cotangents: Floats, name: str
) -> None:
    method = getattr(class_activation, name)
    options = {"signed": True} if name == "cam" else {}
    expected = method(pooled.network, image, cotangents, **options)
    seen = inside(pooled.module, image, cotangents[0])[0].numpy().astype(np.float32)
    for runner in pooled.runners.values():
        runner.rows.clear()
    found = method(replace(pooled.network, seen=seen), image, cotangents, **options)
    assert not any(runner.rows for runner in pooled.runners.values())
    assert (found.passes, expected.passes) == (0, 1)
    for values, same in zip(found.values, expected.values, strict=True):
        assert relative(values, same) < 1e-6


@pytest.mark.parametrize(
    ("method", "formula"),
    [
        (class_activation.gradcam_plus_plus, plus_plus),
        (class_activation.hirescam, hires),
        (class_activation.layercam, layer),
        (class_activation.xgradcam, axiomatic),
    ],
)
def test_the_family_follows_its_papers(
    subject: Any,
    image: Floats,
    cotangents: Floats,
    method: Callable[..., Maps],
    formula: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    found = method(subject.network, image, cotangents)
    for values, cotangent in zip(found.values, cotangents, strict=True):
        expected = enlarged(formula(*inside(subject.module, image, cotangent)))
        assert expected.any()
        assert relative(values, expected) < 1e-5
    assert found.passes == 2


def test_cam_weighs_the_activations_by_the_head_without_a_backward_pass(
    pooled: Any, image: Floats, cotangents: Floats
) -> None:
    found = class_activation.cam(pooled.network, image, cotangents, signed=False)
    for values, cotangent in zip(found.values, cotangents, strict=True):
        activations, _ = inside(pooled.module, image, cotangent)
        weights = 20 * pooled.module.head.weight.T @ torch.from_numpy(cotangent).double()
        assert relative(values, enlarged(torch.einsum("c,chw->hw", weights, activations))) < 1e-5
    assert found.passes == 1
    assert pooled.runners[Graph.FLOAT].rows == [1]
    assert not pooled.runners[Graph.CAM].rows


def test_signed_cam_keeps_what_speaks_against_the_class(
    pooled: Any, image: Floats, cotangents: Floats
) -> None:
    signed = class_activation.cam(pooled.network, image, cotangents, signed=True).values
    backwards = class_activation.cam(pooled.network, image, -cotangents, signed=True).values
    assert signed.min() < 0
    np.testing.assert_allclose(signed, -backwards, rtol=1e-5)


def test_gradcam_of_a_pooled_head_takes_one_pass_for_all_classes(
    pooled: Any, image: Floats, cotangents: Floats
) -> None:
    assert class_activation.gradcam(pooled.network, image, cotangents).passes == 1
    assert pooled.runners[Graph.CAM].rows == [1]


def test_cam_of_another_head_is_refused(subject: Any, image: Floats, cotangents: Floats) -> None:
    with pytest.raises(Unsupported, match="global average pooling"):
        class_activation.cam(subject.network, image, cotangents, signed=False)


def test_eigencam_projects_the_activations_on_their_first_singular_vector(
    subject: Any, image: Floats, cotangents: Floats
) -> None:
    found = class_activation.eigencam(subject.network, image, cotangents)
    activations, _ = inside(subject.module, image, cotangents[0])
    flat = activations.flatten(1).T
    projected = flat @ torch.linalg.svd(flat).Vh[0]
    projected = projected * projected.sum().sign()
    expected = enlarged(projected.reshape(activations.shape[1:]))
    assert relative(found.values[0], expected) < 1e-5
    np.testing.assert_array_equal(found.values[0], found.values[1])
    assert found.passes == 1


def relative(found: npt.NDArray[np.floating], expected: npt.NDArray[np.floating]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
