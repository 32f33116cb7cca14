"""Oracle: a plain loop over the masks, by SciPy's softmax and PyTorch's interpolation."""

from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from models.manifest import Graph
from service.core.network import Floats
from service.core.saliency.rise import rise


def test_rise_is_a_plain_loop_over_the_masks(
    subject: Any, image: Floats, cotangents: Floats
) -> None:
    found = rise(subject.network, image, cotangents, masks=30, seed=5, signed=True)
    generator = np.random.default_rng(5)
    cells = generator.random((30, 7, 7)) < 0.5
    # A cell is 24 / 7 by 20 / 7 pixels, rounded up.
    shifts = generator.integers(0, [4, 3], (30, 2))
    expected = np.zeros((2, 24, 20))
    for grid, (top, left) in zip(cells, shifts, strict=True):
        large = torch.nn.functional.interpolate(
            torch.from_numpy(np.float64(grid))[None, None], (8 * 4, 8 * 3), mode="bilinear"
        )
        mask = large[0, 0, top : top + 24, left : left + 20].numpy()
        logits = subject.module(torch.from_numpy((image * mask)[None]).double()).numpy()[0]
        expected += (cotangents @ softmax(logits))[:, None, None] * mask / (30 * 0.5)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6)
    assert found.passes == sum(subject.runners[Graph.FLOAT].rows) == 30


def test_the_seed_decides_the_masks(subject: Any, image: Floats, cotangents: Floats) -> None:
    def found(seed: int) -> Floats:
        return rise(subject.network, image, cotangents, masks=9, seed=seed, signed=False).values

    np.testing.assert_array_equal(found(1), found(1))
    assert (found(1) != found(2)).any()
