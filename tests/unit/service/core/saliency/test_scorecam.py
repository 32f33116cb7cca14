"""Oracle: the paper's algorithm 1 as a plain loop in PyTorch, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from models.manifest import Graph
from service.core.network import Floats
from service.core.saliency.scorecam import scorecam


@pytest.mark.parametrize("channels", [3, 6, 100])
def test_scorecam_is_a_plain_loop_over_the_channels(
    subject: Any, image: Floats, cotangents: Floats, channels: int
) -> None:
    found = scorecam(subject.network, image, cotangents, channels=channels)
    module, images = subject.module, torch.from_numpy(image[None]).double()
    activations = module.layer(torch.relu(module.first(3 * images - 1)))[0]
    kept = activations[activations.flatten(1).std(dim=1).argsort(descending=True)[:channels]]
    scores = []
    for channel in kept:
        large = interpolate(channel[None, None], (24, 20), mode="bilinear")
        mask = (large - large.min()) / (large.max() - large.min())
        scores.append(module(images * mask)[0] @ torch.from_numpy(cotangents.T).double())
    for row, weights in enumerate(torch.stack(scores).softmax(dim=0).T):
        coarse = torch.einsum("c,chw->hw", weights, kept).relu()
        expected = interpolate(coarse[None, None], (24, 20), mode="bilinear")[0, 0].numpy()
        np.testing.assert_allclose(found.values[row], expected, rtol=1e-3, atol=1e-6)
    assert found.passes == sum(subject.runners[Graph.FLOAT].rows) == 1 + min(channels, 6)


def test_a_network_that_sees_nothing_has_an_empty_map(subject: Any, cotangents: Floats) -> None:
    torch.nn.init.zeros_(subject.module.first.weight)
    found = scorecam(subject.network, np.zeros((3, 24, 20), np.float32), cotangents, channels=4)
    assert np.isfinite(found.values).all()
