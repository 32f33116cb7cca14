"""Oracles: the tiny model's closed forms in float64, and PyTorch's bilinear interpolation."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.bundle import Bundle
from models.errors import RuntimeFailure
from models.manifest import Graph
from service.core import saliency
from service.core.ports import Arrays
from service.core.targets import Target
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose

RED = Target(0, "red")


class Recorded:
    """Returns what the test recorded, and keeps what it was fed."""

    def __init__(self, **outputs: npt.NDArray[np.floating]) -> None:
        self.outputs = outputs
        self.feeds: Arrays = {}

    def run(self, feeds: Arrays, /) -> Arrays:
        self.feeds = feeds
        return self.outputs


def bilinear(maps: npt.NDArray[np.floating], size: tuple[int, int]) -> npt.NDArray[np.float64]:
    enlarged = torch.nn.functional.interpolate(
        torch.from_numpy(np.float64(maps))[:, None], size, mode="bilinear", align_corners=False
    )
    return enlarged[:, 0].numpy()


def crop_of(seed: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def test_gradient_is_the_largest_absolute_input_gradient_over_the_channels(
    tiny_bundle: Bundle, tiny_model: Any
) -> None:
    session = open_graph(tiny_bundle, Graph.GRADIENT, choose(Provider.CPU))
    crop = crop_of(1)
    found = saliency.explain("gradient", session, crop, RED, 4)
    expected = tiny_model.input_gradient(crop[None], np.eye(4)[:1], np.zeros(1))[0]
    np.testing.assert_allclose(found.map, np.abs(expected).max(axis=0), rtol=1e-5)
    assert (found.method, found.target, found.passes) == ("gradient", RED, 1)
    assert found.map.dtype == np.float32


def test_gradcam_weighs_activations_by_their_mean_gradients(
    tiny_bundle: Bundle, tiny_model: Any
) -> None:
    session = open_graph(tiny_bundle, Graph.CAM, choose(Provider.CPU))
    crop = crop_of(2)
    found = saliency.explain("gradcam", session, crop, RED, 4)
    activations = tiny_model.activations(crop[None])[0]
    gradients = tiny_model.activation_gradients(crop[None], np.eye(4)[:1])[0]
    coarse = sum(
        gradient.mean() * activation
        for gradient, activation in zip(gradients, activations, strict=True)
    )
    expected = bilinear(np.maximum(coarse, 0)[None], (32, 32))[0]
    np.testing.assert_allclose(found.map, expected, rtol=1e-4, atol=1e-8)


def test_gradcam_is_never_negative() -> None:
    runner = Recorded(
        activations=np.ones((1, 2, 3, 3), dtype=np.float32),
        activation_gradients=-np.ones((1, 2, 3, 3), dtype=np.float32),
    )
    assert not saliency.explain("gradcam", runner, crop_of(3), RED, 4).map.any()


def test_the_graph_gets_the_crop_as_floats_and_a_one_hot_cotangent() -> None:
    runner = Recorded(input_gradient=np.zeros((1, 3, 32, 32), dtype=np.float32))
    crop = crop_of(4)
    saliency.explain("gradient", runner, crop, Target(2, "blue"), 4)
    assert runner.feeds["image"].dtype == np.float32
    np.testing.assert_allclose(runner.feeds["image"][0], crop.transpose(2, 0, 1) / 255, rtol=1e-6)
    np.testing.assert_array_equal(runner.feeds["cotangent"], [[0, 0, 1, 0]])
    np.testing.assert_array_equal(runner.feeds["softmax_weight"], [0])


def test_a_map_that_is_not_finite_is_an_error() -> None:
    broken = np.full((1, 3, 32, 32), np.nan, dtype=np.float32)
    with pytest.raises(RuntimeFailure, match="not finite"):
        saliency.explain("gradient", Recorded(input_gradient=broken), crop_of(5), RED, 4)


@pytest.mark.parametrize(
    ("grid", "size"), [((7, 7), (224, 224)), ((3, 5), (17, 31)), ((1, 1), (4, 4))]
)
def test_maps_are_enlarged_as_pytorch_does(grid: tuple[int, int], size: tuple[int, int]) -> None:
    maps = np.random.default_rng(6).random((2, *grid))
    np.testing.assert_allclose(saliency.enlarge(maps, size), bilinear(maps, size), rtol=1e-5)
