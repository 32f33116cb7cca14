"""Augmentations by name: what they keep and what they change."""

import pytest
import torch

from models.errors import TrainingError
from training.learning.augmentation import AUGMENTATIONS, augmentation

SIZE = (48, 40)


@pytest.fixture
def image() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (3, *SIZE), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_it_gives_another_image_of_the_same_size(name: str, image: torch.Tensor) -> None:
    module = augmentation([name], SIZE)
    torch.manual_seed(0)

    found = [module(image) for _ in range(12)]

    assert all(each.shape == image.shape and each.dtype == torch.uint8 for each in found)
    assert any(not torch.equal(each, image) for each in found)
    assert len({each.numpy().tobytes() for each in found}) > 1


def test_a_flip_mirrors_about_half_of_the_images(image: torch.Tensor) -> None:
    module = augmentation(["flip"], SIZE)
    torch.manual_seed(0)

    mirrored = [torch.equal(module(image), image.flip(-1)) for _ in range(200)]

    assert 70 < sum(mirrored) < 130


def test_a_cast_moves_each_channel_as_a_whole() -> None:
    grey = torch.full((3, *SIZE), 128, dtype=torch.uint8)
    torch.manual_seed(0)

    found = augmentation(["channel-shift"], SIZE)(grey)

    values = [channel.unique().tolist() for channel in found]
    assert [len(each) for each in values] == [1, 1, 1]
    assert len({each[0] for each in values}) == 3


def test_none_is_nothing_and_an_unknown_name_is_refused(image: torch.Tensor) -> None:
    assert torch.equal(augmentation(["none"], SIZE)(image), image)
    with pytest.raises(TrainingError, match="no augmentation 'mirror'; there are flip, "):
        augmentation(["mirror"], SIZE)
