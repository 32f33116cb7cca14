"""Multiply-adds, as torchvision publishes them."""

import pytest
import torch
import torchvision

from training.backbones import backbone
from training.cost import multiply_adds
from training.instrument import Instrumented


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v2", "vit_b_16"])
def test_multiply_adds_are_those_that_torchvision_publishes(name: str) -> None:
    chosen = backbone(name)
    with torch.device("meta"):
        network = Instrumented(chosen.build(1000), chosen, chosen.preprocessing)

    published = torchvision.models.get_model_weights(name).DEFAULT.meta["_ops"]
    assert multiply_adds(network, chosen) / 1e9 == pytest.approx(published, abs=0.0006)


def test_lenet5_s_multiply_adds_are_those_of_the_paper() -> None:
    chosen = backbone("lenet5")
    network = Instrumented(chosen.build(10), chosen, chosen.preprocessing)

    # C1 at 28 x 28 places, C3 (all maps, three colours) at 10 x 10, then the dense layers.
    convolutions = 28 * 28 * 6 * 3 * 25 + 10 * 10 * 16 * 6 * 25
    assert multiply_adds(network, chosen) == convolutions + 400 * 120 + 120 * 84 + 84 * 10
