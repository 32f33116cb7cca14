"""Oracle: captum in float64; completeness is the sum that the paper promises."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from models.manifest import Graph
from service.core.network import Floats
from service.core.saliency.integrated_gradients import Baseline, integrated_gradients
from service.core.saliency.resampling import blur

BASELINES: dict[str, Callable[[Floats], Floats]] = {
    "black": np.zeros_like,
    "grey": lambda image: np.full_like(image, 0.5),
    "blurred": lambda image: blur(image, 0.05 * 20),
}


@pytest.mark.parametrize("baseline", BASELINES)
def test_with_many_steps_the_map_is_captums(
    subject: Any, image: Floats, cotangents: Floats, baseline: Any
) -> None:
    found = integrated_gradients(
        subject.network, image, cotangents, steps=256, baseline=baseline, signed=True
    )
    given = torch.from_numpy(image[None]).double()
    start = torch.from_numpy(np.asarray(BASELINES[baseline](image))[None]).double()
    for values, cotangent in zip(found.values, cotangents, strict=True):
        weights = torch.from_numpy(cotangent).double()
        oracle = IntegratedGradients(lambda images, w=weights: subject.module(images) @ w)
        attributions = oracle.attribute(given, start, n_steps=1000, method="riemann_middle")
        expected = attributions[0].sum(dim=0).detach().numpy()
        assert np.linalg.norm(values - expected) < 5e-3 * np.linalg.norm(expected)


def test_the_line_is_walked_in_cubes_of_equal_steps(
    subject: Any, image: Floats, cotangents: Floats
) -> None:
    found = integrated_gradients(
        subject.network, image, cotangents[:1], steps=3, baseline="black", signed=True
    )
    total = np.zeros_like(image, dtype=np.float64)
    # Midpoints of thirds; d(t^3) = 3 t^2 dt, brought to a sum of 1.
    for middle, weight in ((1 / 6, 1 / 35), (3 / 6, 9 / 35), (5 / 6, 25 / 35)):
        point = torch.from_numpy(image[None]).double() * middle**3
        point.requires_grad_()
        score = (subject.module(point) @ torch.from_numpy(cotangents[0]).double()).sum()
        total += weight * torch.autograd.grad(score, [point])[0][0].numpy()
    np.testing.assert_allclose(found.values[0], (total * image).sum(axis=0), rtol=1e-3, atol=1e-5)
    assert found.passes == 3 + 2
    assert max(subject.runners[Graph.GRADIENT].rows) <= 7


def test_the_gap_is_what_the_sum_lacks_of_the_difference_in_score(
    subject: Any, image: Floats, cotangents: Floats
) -> None:
    found = integrated_gradients(
        subject.network, image, cotangents, steps=3, baseline="black", signed=True
    )
    ends = torch.from_numpy(np.stack([np.zeros_like(image), image])).double()
    low, high = subject.module(ends).numpy() @ cotangents.T.astype(np.float64)
    total = found.values.astype(np.float64).sum(axis=(1, 2))
    expected = np.abs(total - (high - low)) / np.abs(high - low)
    assert found.gaps == pytest.approx(expected, rel=1e-2)


def test_more_steps_close_the_gap(subject: Any, image: Floats, cotangents: Floats) -> None:
    few, many = (
        integrated_gradients(
            subject.network, image, cotangents, steps=steps, baseline="black", signed=False
        ).gaps
        for steps in (2, 256)
    )
    assert few is not None
    assert many is not None
    assert (many < 0.01).all()
    assert many.mean() < few.mean()


@pytest.mark.parametrize(("level", "baseline"), [(0, "black"), (0.5, "grey"), (0.3, "blurred")])
def test_an_image_that_is_its_own_baseline_has_no_gap(
    subject: Any, cotangents: Floats, level: float, baseline: Baseline
) -> None:
    even = np.full((3, 24, 20), level, dtype=np.float32)
    found = integrated_gradients(
        subject.network, even, cotangents, steps=4, baseline=baseline, signed=False
    )
    assert not found.values.any()
    assert found.gaps == pytest.approx([0, 0])
