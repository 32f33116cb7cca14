"""What PyTorch writes down of a network, against finite differences in float64."""

import copy

import numpy as np
import numpy.typing as npt
import pytest
import torch

from training.backbones import Layout, backbone
from training.golden import IMAGES, golden, to_grid
from training.instrument import Instrumented
from training.randomize import randomize

CLASSES = 5
SIZE = (32, 32)

Golden = dict[str, npt.NDArray[np.generic]]


def pixels(arrays: Golden) -> torch.Tensor:
    """The golden images as the network takes them, in float64."""
    return torch.from_numpy(arrays["image"]).double().permute(0, 3, 1, 2) / 255


@pytest.fixture
def network() -> Instrumented:
    chosen = backbone("lenet5")
    network = Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()
    randomize(network, torch.rand(4, 3, *SIZE))
    return network


@pytest.fixture
def arrays(network: Instrumented) -> Golden:
    return golden(network, Layout.NCHW, SIZE)


def test_its_logits_are_those_of_the_network_in_float64(
    network: Instrumented, arrays: Golden
) -> None:
    exact = copy.deepcopy(network).double()(pixels(arrays))

    np.testing.assert_array_equal(arrays["logits"], exact.logits.detach().float())
    np.testing.assert_array_equal(arrays["embedding"], exact.embedding.detach().float())


def test_its_gradient_is_the_slope_of_logits_and_log_sum(
    network: Instrumented, arrays: Golden
) -> None:
    """A cotangent for the logits, and a weight for the softmax: the log-sum-exp's gradient."""
    exact = copy.deepcopy(network).double()
    image = pixels(arrays)
    cotangent = torch.from_numpy(arrays["cotangent"]).double()
    weight = torch.from_numpy(arrays["softmax_weight"]).double()
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(1)).double()

    def objective(step: float) -> torch.Tensor:
        logits = exact(image + step * direction).logits
        total: torch.Tensor = (cotangent * logits).sum(dim=1) + weight * logits.logsumexp(dim=1)
        return total

    slope = (objective(1e-7) - objective(-1e-7)) / 2e-7

    found = (torch.from_numpy(arrays["input_gradient"]) * direction).sum(dim=(1, 2, 3))
    np.testing.assert_allclose(found, slope.detach(), rtol=1e-4)


def test_it_covers_no_and_full_softmax_weight(arrays: Golden) -> None:
    assert len(arrays["image"]) == IMAGES
    assert arrays["softmax_weight"].min() == 0
    assert arrays["softmax_weight"].max() == 1


def test_the_same_seed_gives_the_same_arrays(network: Instrumented, arrays: Golden) -> None:
    again = golden(network, Layout.NCHW, SIZE)
    other = golden(network, Layout.NCHW, SIZE, seed=1)

    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])
    assert (other["image"] != arrays["image"]).any()


def test_a_network_without_a_spatial_layer_has_no_activations() -> None:
    chosen = backbone("mlp")
    network = Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()

    assert "activations" not in golden(network, chosen.layout, SIZE)


@pytest.mark.parametrize(
    ("layout", "layer"),
    [
        (Layout.NCHW, torch.arange(12.0).reshape(1, 3, 2, 2)),
        (Layout.NHWC, torch.arange(12.0).reshape(1, 3, 2, 2).permute(0, 2, 3, 1)),
        (
            Layout.TOKENS,
            torch.cat([torch.full((1, 1, 3), 99.0), torch.arange(12.0).reshape(1, 3, 4).mT], dim=1),
        ),
    ],
)
def test_every_layout_becomes_the_same_grid(layout: Layout, layer: torch.Tensor) -> None:
    torch.testing.assert_close(to_grid(layer, layout), torch.arange(12.0).reshape(1, 3, 2, 2))
