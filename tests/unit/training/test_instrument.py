"""What an instrumented network shows of its inside."""

import copy

import pytest
import torch
from torch import nn

from models.errors import ExportError
from training.backbones import Backbone, backbone
from training.examples import example
from training.instrument import Instrumented, last_linear

CLASSES = 7


def instrumented(name: str) -> tuple[Instrumented, Backbone]:
    torch.manual_seed(0)
    chosen = backbone(name)
    return Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval(), chosen


def test_the_image_is_normalised_inside() -> None:
    network, chosen = instrumented("lenet5")
    image = example(chosen.preprocessing, 3)
    expected = network.module((image - 0.5) / 0.5)
    torch.testing.assert_close(network(image).logits, expected)


def test_the_embedding_is_what_the_classifier_takes() -> None:
    network, chosen = instrumented("lenet5")
    found = network(example(chosen.preprocessing, 3))
    classifier = network.module.get_submodule("classifier.6")
    torch.testing.assert_close(classifier(found.embedding), found.logits)


def test_the_embedding_of_a_convolutional_classifier_is_pooled() -> None:
    network, chosen = instrumented("squeezenet1_1")
    found = network(example(chosen.preprocessing, 1))
    assert found.layer is not None
    torch.testing.assert_close(found.embedding, found.layer.mean(dim=(2, 3)))


def test_a_network_without_a_spatial_layer_has_none() -> None:
    network, chosen = instrumented("mlp")
    assert network(example(chosen.preprocessing, 2)).layer is None


def test_a_copy_shows_its_own_inside() -> None:
    network, chosen = instrumented("lenet5")
    image = example(chosen.preprocessing, 1)
    before = network(image)
    doubled = copy.deepcopy(network).double()
    after = doubled(image.double())
    assert after.layer.dtype is torch.float64
    torch.testing.assert_close(after.layer.float(), before.layer)
    assert not any(part._forward_hooks for part in network.modules())  # noqa: SLF001 - torch has no other way to ask


def test_a_network_without_a_linear_layer_is_refused() -> None:
    with pytest.raises(ExportError, match="no linear layer"):
        last_linear(nn.Sequential(nn.Flatten(), nn.ReLU()))
