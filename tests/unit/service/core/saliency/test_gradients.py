"""Oracle: captum in float64."""

from functools import partial
from typing import Any

import numpy as np
import torch
from captum.attr import InputXGradient, Saliency

from models.manifest import Graph
from service.core.network import Floats
from service.core.saliency.gradients import gradient, gradient_x_input, smoothgrad


def scores(module: Any, cotangent: Floats) -> Any:
    return lambda images: module(images) @ torch.from_numpy(cotangent).double()


def captums(kind: Any, module: Any, images: Any, cotangent: Floats, **options: Any) -> Any:
    given = torch.from_numpy(np.asarray(images, dtype=np.float64)).requires_grad_()
    return kind(scores(module, cotangent)).attribute(given, **options).detach().numpy()


def test_gradient_is_captums_saliency(subject: Any, image: Floats, cotangents: Floats) -> None:
    found = gradient(subject.network, image, cotangents)
    for values, cotangent in zip(found.values, cotangents, strict=True):
        expected = captums(Saliency, subject.module, image[None], cotangent)[0].max(axis=0)
        np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert found.passes == 2


def test_gradient_x_input_is_captums(subject: Any, image: Floats, cotangents: Floats) -> None:
    signed = gradient_x_input(subject.network, image, cotangents, signed=True).values
    for values, cotangent in zip(signed, cotangents, strict=True):
        expected = captums(InputXGradient, subject.module, image[None], cotangent)[0].sum(axis=0)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    unsigned = gradient_x_input(subject.network, image, cotangents, signed=False).values
    np.testing.assert_array_equal(unsigned, np.abs(signed))


def test_smoothgrad_is_the_mean_of_captums_gradients_with_the_same_noise(
    subject: Any, image: Floats, cotangents: Floats
) -> None:
    noisily = partial(smoothgrad, subject.network, image, cotangents, samples=20, sigma=0.2, seed=3)
    noise = np.random.default_rng(3).standard_normal((20, *image.shape), dtype=np.float32)
    noisy = image + 0.2 * (image.max() - image.min()) * noise
    signed, unsigned = noisily(signed=True), noisily(signed=False)
    for row, cotangent in enumerate(cotangents):
        mean = captums(Saliency, subject.module, noisy, cotangent, abs=False).mean(axis=0)
        np.testing.assert_allclose(signed.values[row], mean.sum(axis=0), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(unsigned.values[row], np.abs(mean).max(axis=0), rtol=1e-4)
    assert signed.passes == 40
    assert set(subject.runners[Graph.GRADIENT].rows) == {7, 6}
