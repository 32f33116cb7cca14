"""Layers against counts by hand, papers and textbooks; built without memory (meta device)."""

from functools import cache

import pytest
import torch
from torch import nn

from training.backbones import ZOO, Backbone, backbone, parameters
from training.instrument import Instrumented
from training.report.layers import Layer, LayerTable, table

every_backbone = pytest.mark.parametrize("chosen", ZOO, ids=lambda chosen: chosen.name)


@cache
def build(chosen: Backbone) -> nn.Module:
    if chosen.name.startswith("regnet"):  # its constructor computes widths with tensors
        return chosen.build(1000).to("meta")
    with torch.device("meta"):
        return chosen.build(1000)


@cache
def layers(chosen: Backbone) -> LayerTable:
    module = build(chosen)
    with torch.device("meta"):
        network = Instrumented(module, chosen, chosen.preprocessing).eval()
        return table(network, torch.empty(1, 3, *chosen.preprocessing.crop))


def activations(found: LayerTable, kind: str) -> list[int]:
    return [layer.activations for layer in found.layers if layer.kind == kind]


@every_backbone
def test_every_parameter_of_the_zoo_belongs_to_one_layer(chosen: Backbone) -> None:
    assert layers(chosen).parameters == parameters(build(chosen))


@every_backbone
def test_the_last_layer_gives_the_logits(chosen: Backbone) -> None:
    last = [layer for layer in layers(chosen).layers if layer.activations][-1]
    pooled = last.kind == "AdaptiveAvgPool2d"  # SqueezeNet averages a grid of logits
    assert last.shape == ((1000, 1, 1) if pooled or last.kind == "Conv2d" else (1000,))


def test_lenet5_is_listed_as_counted_by_hand() -> None:
    assert layers(backbone("lenet5")).layers == (
        Layer("image", "input", (3, 32, 32), 0, 3072),
        Layer("features.0", "Conv2d", (6, 28, 28), 6 * (75 + 1), 4704),
        Layer("features.2", "MaxPool2d", (6, 14, 14), 0, 1176),
        Layer("features.3", "Conv2d", (16, 10, 10), 16 * (150 + 1), 1600),
        Layer("classifier.0", "MaxPool2d", (16, 5, 5), 0, 400),
        Layer("classifier.2", "Linear", (120,), 401 * 120, 120),
        Layer("classifier.4", "Linear", (84,), 121 * 84, 84),
        Layer("classifier.6", "Linear", (1000,), 85 * 1000, 1000),
    )


def test_vgg16_has_the_rows_of_the_textbook() -> None:
    # CS231n, "Convolutional Networks", VGGNet in detail. The total printed there, 24M, is not
    # the sum of its rows, which is 15.2M.
    textbook = 224 * 224 * 3
    for side, channels, convolutions in (
        (224, 64, 2), (112, 128, 2), (56, 256, 3), (28, 512, 3), (14, 512, 3),
    ):  # fmt: skip
        textbook += convolutions * side**2 * channels + (side // 2) ** 2 * channels
    textbook += 4096 + 4096 + 1000
    found = layers(backbone("vgg16"))

    assert found.parameters == 138_357_544
    assert textbook == 15_237_608
    # torchvision averages a 7 x 7 grid to 7 x 7 before the classifier.
    assert activations(found, "AdaptiveAvgPool2d") == [7 * 7 * 512]
    assert found.activations == textbook + 7 * 7 * 512


def test_alexnet_is_counted_as_by_hand() -> None:
    # The layers of Krizhevsky 2014, "One weird trick", which torchvision has.
    found = layers(backbone("alexnet"))

    assert found.parameters == 61_100_840
    assert activations(found, "Conv2d") == [
        64 * 55**2, 192 * 27**2, 384 * 13**2, 256 * 13**2, 256 * 13**2,
    ]  # fmt: skip
    assert activations(found, "MaxPool2d") == [64 * 27**2, 192 * 13**2, 256 * 6**2]
    assert activations(found, "Linear") == [4096, 4096, 1000]


def test_resnet50_has_the_convolutions_of_the_paper() -> None:
    # Radosavovic et al. 2020, "Designing network design spaces", count these: 11.1 million.
    counted = sum(activations(layers(backbone("resnet50")), "Conv2d"))
    assert counted / 1e6 == pytest.approx(11.1, abs=0.05)


def test_what_normalises_and_rectifies_works_in_place() -> None:
    found = layers(backbone("resnet18"))

    assert set(activations(found, "BatchNorm2d")) == {0}
    assert activations(found, "ReLU") == []


def test_a_layer_that_reads_the_weights_inside_it_has_them() -> None:
    found = layers(backbone("vit_b_16"))

    attention = [each for each in found.layers if each.kind == "MultiheadAttention"]
    assert {each.parameters for each in attention} == {4 * 768 * 768 + 4 * 768}
    assert {each.activations for each in attention} == {197 * 768}
    assert found.layers[-1] == Layer("", "VisionTransformer", (1000,), 768, 0)  # class token


def test_a_layer_that_runs_twice_writes_twice() -> None:
    shared = nn.Linear(3072, 3072)
    network = Instrumented(
        nn.Sequential(nn.Flatten(), shared, shared, nn.Linear(3072, 10)),
        backbone("linear"),
        backbone("linear").preprocessing,
    )

    found = table(network, torch.zeros(1, 3, 32, 32)).layers

    assert found[1] == Layer("1", "Linear", (3072,), 3073 * 3072, 2 * 3072)


def test_the_network_keeps_no_hook() -> None:
    assert not any(part._forward_hooks for part in build(backbone("lenet5")).modules())  # noqa: SLF001 - torch has no other way to ask
