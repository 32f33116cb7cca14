"""What is awake while a network learns, and asleep again after."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from models.errors import TrainingError
from training.backbones import backbone
from training.learning.regularization import BATCH_NORM_IMAGES, drop_branches, regularized
from training.recipe import Recipe, Strategy


def awake(module: nn.Module, recipe: Recipe, images: int) -> set[str]:
    """The kinds of modules that are in training mode within."""
    with regularized(module, recipe, images):
        found = {type(part).__name__ for part in module.modules() if part.training}
    assert not any(part.training for part in module.modules())
    return found


def test_statistics_are_learned_only_from_many_images_or_from_scratch() -> None:
    module = backbone("resnet18").build(3)

    assert awake(module, Recipe(), BATCH_NORM_IMAGES - 1) == set()
    assert awake(module, Recipe(), BATCH_NORM_IMAGES) == {"BatchNorm2d"}
    assert awake(module, Recipe(strategy=Strategy.SCRATCH), 10) == {"BatchNorm2d"}


def test_the_statistics_of_frozen_layers_are_kept() -> None:
    module = backbone("resnet18").build(3)
    module.requires_grad_(requires_grad=False)
    module.get_submodule("layer4.1").requires_grad_()

    with regularized(module, Recipe(), BATCH_NORM_IMAGES):
        norms = [
            name
            for name, part in module.named_modules()
            if isinstance(part, nn.BatchNorm2d) and part.training
        ]

    assert norms == ["layer4.1.bn1", "layer4.1.bn2"]


def test_dropout_drops_the_head_s_inputs_while_learning() -> None:
    module = backbone("linear").build(2)
    image = torch.ones(64, 3, 32, 32)
    head = module.get_submodule("1")
    assert isinstance(head, nn.Linear)
    nn.init.ones_(head.weight)
    nn.init.zeros_(head.bias)
    torch.manual_seed(0)

    with regularized(module, Recipe(dropout=0.25), 10):
        found = module(image)[:, 0].detach() / 3072

    assert found.mean() == pytest.approx(1, abs=0.02), "what is left is scaled up"
    assert found.std() == pytest.approx((0.25 / 0.75 / 3072) ** 0.5, rel=0.3)
    torch.testing.assert_close(module(image)[:, 0], torch.full((64,), 3072.0))


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny", "efficientnet_lite0"])
def test_branches_are_skipped_the_more_the_deeper(name: str) -> None:
    module = backbone(name).build(3)
    image = torch.rand(1, 3, 64, 64)
    before = module(image)

    drop_branches(module, 0.4)

    kinds = (torchvision.ops.StochasticDepth, timm.layers.DropPath)
    branches = [part for part in module.modules() if isinstance(part, kinds)]
    rates = [getattr(part, "p", None) or part.drop_prob for part in branches]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.4)
    assert rates[0] == pytest.approx(0.4 / len(rates))
    torch.testing.assert_close(module(image), before, msg="it is asleep while not learning")
    torch.manual_seed(0)
    with regularized(module, Recipe(), 10):
        assert not torch.equal(module(image), before)


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny", "efficientnet_lite0"])
def test_without_a_rate_no_branch_is_skipped_though_its_library_would(name: str) -> None:
    module = backbone(name).build(3)
    image = torch.rand(1, 3, 64, 64)
    before = module(image)

    drop_branches(module, 0.0)

    torch.manual_seed(0)
    with regularized(module, Recipe(), 10):
        assert torch.equal(module(image), before)


def test_a_network_without_branches_cannot_skip_any() -> None:
    with pytest.raises(TrainingError, match="no residual branches"):
        drop_branches(backbone("lenet5").build(3), 0.1)
    drop_branches(backbone("lenet5").build(3), 0.0)
