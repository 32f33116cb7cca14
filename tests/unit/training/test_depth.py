"""Which parameters are trained, by the number of blocks below the head."""

import pytest
import torch
from torch import nn

from models.errors import TrainingError
from training import depth
from training.backbones import ZOO, Backbone, backbone

FEW_BLOCKS = 3
"""LeNet-5 and the MLP have so many, the head included; a linear classifier has one."""


def unfilled(chosen: Backbone) -> nn.Module:
    """The network without numbers; RegNet's constructor reads some."""
    with torch.device("cpu" if chosen.name.startswith("regnet") else "meta"):
        return chosen.build(5)


@pytest.mark.parametrize("text", ["head", "full", "1", "12"])
def test_a_depth_reads_as_it_is_written(text: str) -> None:
    assert depth.name(depth.parse(text)) == text


@pytest.mark.parametrize("text", ["", "-1", "half", "1.5"])
def test_another_depth_is_refused(text: str) -> None:
    with pytest.raises(TrainingError, match="head, full or a number"):
        depth.parse(text)


@pytest.mark.parametrize("chosen", ZOO, ids=lambda chosen: chosen.name)
def test_each_parameter_is_in_one_block(chosen: Backbone) -> None:
    module = unfilled(chosen)

    blocks = depth.blocks(module)

    found = [id(parameter) for block in blocks for parameter in block]
    assert sorted(found) == sorted(map(id, module.parameters()))
    assert len(blocks) >= {"linear": 1}.get(chosen.name, FEW_BLOCKS)
    largest = max(sum(parameter.numel() for parameter in block) for block in blocks)
    total = sum(parameter.numel() for parameter in module.parameters())
    dense = chosen.name in {"alexnet", "vgg16", "vgg19", "lenet5", "mlp", "linear"}
    assert dense or largest < total / 2, "a block is no half of the network"


@pytest.mark.parametrize(
    ("name", "below", "expected"),
    [
        # As torchvision and timm name them.
        ("resnet18", 0, {"fc"}),
        ("resnet18", 1, {"fc", "layer4.1"}),
        ("resnet18", 3, {"fc", "layer4.1", "layer4.0", "layer3.1"}),
        ("efficientnet_lite0", 2, {"classifier", "conv_head", "bn2", "blocks.6.0"}),
        ("vit_b_16", 1, {"heads.head", "encoder.ln", "encoder.layers.encoder_layer_11"}),
        ("linear", 5, {"1"}),
    ],
)
def test_the_blocks_next_to_the_head_are_trained(name: str, below: int, expected: set[str]) -> None:
    module = unfilled(backbone(name))

    depth.trained(module, below)

    changed = {key for key, parameter in module.named_parameters() if parameter.requires_grad}
    wanted = {
        f"{part}.{key}"
        for part in expected
        for key, _ in module.get_submodule(part).named_parameters()
    }
    assert changed == wanted


def test_all_of_a_network_may_be_trained() -> None:
    module = backbone("lenet5").build(5)

    groups = depth.trained(module, None)

    assert all(parameter.requires_grad for parameter in module.parameters())
    assert sum(map(len, groups)) == len(list(module.parameters()))
    head = module.get_submodule(
        [name for name, _ in module.named_parameters()][-1][: -len(".bias")]
    )
    assert set(map(id, groups[0])) == set(map(id, head.parameters()))


@pytest.mark.parametrize(("text", "fits"), [("head", True), ("2", True), ("3", False)])
def test_no_more_blocks_are_asked_for_than_there_are(text: str, *, fits: bool) -> None:
    module = backbone("mlp").build(5)

    if fits:
        depth.check(module, text)
    else:
        with pytest.raises(TrainingError, match="at most 2 of this network's blocks, not 3"):
            depth.check(module, text)
