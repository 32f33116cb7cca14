"""The networks that no library ships, counted by hand."""

import pytest
import torch
from torch import nn

from training.classic import SIZE, LeNet5, linear, mlp

CLASSES = 10


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        # 5x5 kernels from 3 to 6 and from 6 to 16 channels, then 400, 120, 84 units; LeCun et
        # al.'s network of grey images, all its maps connected, has 2 * 150 fewer.
        (LeNet5(CLASSES), 6 * 76 + 16 * 151 + 401 * 120 + 121 * 84 + 85 * CLASSES),
        (mlp(CLASSES), 3073 * 256 + 257 * 256 + 257 * CLASSES),
        (linear(CLASSES), 3073 * CLASSES),
    ],
)
def test_it_has_the_parameters_that_its_layers_ask_for(network: nn.Module, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("network", [LeNet5(CLASSES), mlp(CLASSES), linear(CLASSES)])
def test_images_of_a_batch_do_not_see_one_another(network: nn.Module) -> None:
    images = torch.rand(3, 3, SIZE, SIZE)

    logits = network(images)

    assert logits.shape == (3, CLASSES)
    torch.testing.assert_close(logits[1:2], network(images[1:2]))


def test_the_linear_classifier_has_the_same_gradient_everywhere() -> None:
    network = linear(CLASSES)

    here, there = (
        torch.autograd.functional.jacobian(network, torch.rand(1, 3, SIZE, SIZE)) for _ in range(2)
    )

    torch.testing.assert_close(here, there)
