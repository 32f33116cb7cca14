"""Mixed images: what share of each image is in them, their targets say."""

import pytest
import torch

from training.learning.losses import targets
from training.learning.mixing import mixed
from training.recipe import Recipe


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Two images, one black and one white, of a class each."""
    image = torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)])
    return image, targets(torch.tensor([0, 1]), 2)


@pytest.mark.parametrize("recipe", [Recipe(mixup=0.5), Recipe(cutmix=1.0)])
def test_targets_are_mixed_as_the_images_are(recipe: Recipe) -> None:
    torch.manual_seed(1)

    image, target = mixed(*batch(), recipe)

    white = image.mean(dim=(1, 2, 3))
    torch.testing.assert_close(target[:, 1], white, atol=1e-5, rtol=0)
    torch.testing.assert_close(target.sum(dim=1), torch.ones(2))
    assert 0 < white[0] < 1


def test_mixup_blends_and_cutmix_pastes() -> None:
    torch.manual_seed(1)

    blended, _ = mixed(*batch(), Recipe(mixup=0.5))
    pasted, _ = mixed(*batch(), Recipe(cutmix=1.0))

    assert blended[0].unique().numel() == 1
    assert pasted[0].unique().tolist() == [0, 1]


def test_with_both_either_happens() -> None:
    recipe = Recipe(mixup=0.5, cutmix=1.0)
    torch.manual_seed(0)

    kinds = [mixed(*batch(), recipe)[0][0].unique().numel() for _ in range(20)]

    assert {1, 2} <= set(kinds)


def test_without_either_the_batch_is_as_it_is() -> None:
    image, target = batch()

    found = mixed(image, target, Recipe())

    assert found[0] is image
    assert found[1] is target
