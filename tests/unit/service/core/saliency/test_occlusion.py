"""Oracles: captum's Occlusion in float64, and a plain loop."""

from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from models.errors import InvalidRequest
from models.manifest import Graph
from service.core.network import Floats
from service.core.saliency.occlusion import occlusion


@pytest.mark.parametrize(("window", "stride"), [(8, 4), (7, 3), (5, 5), (20, 20)])
def test_occlusion_is_captums(
    subject: Any, image: Floats, cotangents: Floats, window: int, stride: int
) -> None:
    found = occlusion(subject.network, image, cotangents, window=window, stride=stride, signed=True)
    given = torch.from_numpy(image[None]).double()
    for values, cotangent in zip(found.values, cotangents, strict=True):
        weights = torch.from_numpy(cotangent).double()
        oracle = Occlusion(lambda images, w=weights: subject.module(images) @ w)
        shapes, strides = (3, window, window), (3, stride, stride)
        expected = oracle.attribute(given, shapes, strides=strides, baselines=0.5)[0, 0]
        np.testing.assert_allclose(values, expected.numpy(), rtol=1e-3, atol=1e-5)
    assert sum(subject.runners[Graph.FLOAT].rows) == found.passes


def test_occlusion_is_a_plain_loop_over_the_windows(
    subject: Any, image: Floats, cotangents: Floats
) -> None:
    found = occlusion(subject.network, image, cotangents[:1], window=8, stride=4, signed=False)
    falls, covered = np.zeros((24, 20)), np.zeros((24, 20))
    for top in range(0, 17, 4):
        for left in range(0, 13, 4):
            hidden = image.copy()
            hidden[:, top : top + 8, left : left + 8] = 0.5
            pair = torch.from_numpy(np.stack([image, hidden])).double()
            whole, rest = subject.module(pair)[:, 2].tolist()
            falls[top : top + 8, left : left + 8] += whole - rest
            covered[top : top + 8, left : left + 8] += 1
    expected = np.maximum(falls / covered, 0)
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-4, atol=1e-5)
    assert found.passes == 1 + 5 * 4


def test_windows_that_do_not_fit_are_refused(
    subject: Any, image: Floats, cotangents: Floats
) -> None:
    for window, stride, message in [(21, 1, "larger than the crop, 20x24"), (4, 5, "leaves gaps")]:
        with pytest.raises(InvalidRequest, match=message):
            occlusion(subject.network, image, cotangents, window=window, stride=stride, signed=True)


def test_too_many_windows_are_refused(subject: Any, cotangents: Floats) -> None:
    large = np.zeros((3, 100, 100), dtype=np.float32)
    with pytest.raises(InvalidRequest, match="8192 is the most"):
        occlusion(subject.network, large, cotangents, window=2, stride=1, signed=True)
    assert not subject.runners[Graph.FLOAT].rows
