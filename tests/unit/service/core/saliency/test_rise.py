"""Oracle: a plain loop over the masks, by SciPy's softmax and PyTorch's interpolation."""

from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from models.manifest import Graph
from service.core.localization import object_box
from service.core.network import Floats, Network
from service.core.ports import Arrays
from service.core.saliency.rise import rise


class Corner:
    """Sees a patch of 8 x 8 pixels in a corner; even without it, its class is quite probable."""

    def run(self, feeds: Arrays, /) -> Arrays:
        patch = feeds["image"][:, :, :8, :8].mean(axis=(1, 2, 3))
        return {"logits": np.stack([patch, np.zeros_like(patch)], axis=1)}


def test_rise_is_a_plain_loop_over_the_masks(
    subject: Any, image: Floats, cotangents: Floats
) -> None:
    found = rise(subject.network, image, cotangents, masks=30, seed=5, signed=True)
    generator = np.random.default_rng(5)
    cells = generator.random((30, 7, 7)) < 0.5
    # A cell is 24 / 7 by 20 / 7 pixels, rounded up.
    shifts = generator.integers(0, [4, 3], (30, 2))
    seen, counts = [], []
    for grid, (top, left) in zip(cells, shifts, strict=True):
        large = torch.nn.functional.interpolate(
            torch.from_numpy(np.float64(grid))[None, None], (8 * 4, 8 * 3), mode="bilinear"
        )
        mask = large[0, 0, top : top + 24, left : left + 20].numpy()
        logits = subject.module(torch.from_numpy((image * mask)[None]).double()).numpy()[0]
        seen.append(mask)
        counts.append(cotangents @ softmax(logits))
    expected = np.zeros((2, 24, 20))
    for mask, count in zip(seen, counts, strict=True):
        expected += (count - np.mean(counts, axis=0))[:, None, None] * mask / (30 * 0.5)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6)
    assert found.passes == sum(subject.runners[Graph.FLOAT].rows) == 30


def test_the_seed_decides_the_masks(subject: Any, image: Floats, cotangents: Floats) -> None:
    def found(seed: int) -> Floats:
        return rise(subject.network, image, cotangents, masks=9, seed=seed, signed=False).values

    np.testing.assert_array_equal(found(1), found(1))
    assert (found(1) != found(2)).any()


def test_what_does_not_matter_counts_nothing() -> None:
    network = Network(lambda _: Corner(), classes=2)
    white, first = np.ones((3, 56, 56), dtype=np.float32), np.eye(1, 2, dtype=np.float32)
    (found,) = rise(network, white, first, masks=2000, seed=0, signed=True).values
    assert abs(found[24:, 24:].mean()) < 0.02 * found[:8, :8].mean()
    box = object_box(np.maximum(found, 0))
    assert box is not None
    left, top, right, bottom = box
    assert left == top == 0
    assert max(right, bottom) < 24


def test_where_no_mask_changes_the_score_the_map_is_zero() -> None:
    black, classes = np.zeros((3, 56, 56), dtype=np.float32), np.eye(2, dtype=np.float32)
    network = Network(lambda _: Corner(), classes=2)
    assert not rise(network, black, classes, masks=50, seed=0, signed=True).values.any()
