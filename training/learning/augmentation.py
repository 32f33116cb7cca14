"""What is done to images at random, by name, by torchvision's transforms."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torchvision.transforms import v2

from models.errors import TrainingError

Size = tuple[int, int]

GREY = 128
"""What stands where an image was moved away: less of an edge than black."""

BILINEAR = v2.InterpolationMode.BILINEAR


class ChannelShift(nn.Module):
    """Add to each channel of uint8 [3, H, W] a number of its own, as a light's colour does."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The image with its colours cast."""
        shift = self.sigma * torch.randn(3, 1, 1)
        return (image + shift).round().clamp(0, 255).to(torch.uint8)


def _noise(sigma: float) -> nn.Module:
    as_float, as_bytes = (v2.ToDtype(dtype, scale=True) for dtype in (torch.float32, torch.uint8))
    return nn.Sequential(as_float, v2.GaussianNoise(sigma=sigma), as_bytes)


AUGMENTATIONS: dict[str, Callable[[Size], nn.Module]] = {
    "flip": lambda _: v2.RandomHorizontalFlip(),
    "vertical-flip": lambda _: v2.RandomVerticalFlip(),
    "crop": lambda size: v2.RandomCrop(size, padding=size[0] // 8, padding_mode="reflect"),
    "zoom": lambda size: v2.RandomResizedCrop(size, scale=(0.5, 1.0), antialias=True),
    "rotation": lambda _: v2.RandomRotation(15, BILINEAR, fill=GREY),
    "shift": lambda _: v2.RandomAffine(0, translate=(0.1, 0.1), fill=GREY),
    "shear": lambda _: v2.RandomAffine(0, shear=10, interpolation=BILINEAR, fill=GREY),
    "perspective": lambda _: v2.RandomPerspective(0.2, fill=GREY),
    "color": lambda _: v2.ColorJitter(0.3, 0.3, 0.3, 0.05),
    "channel-shift": lambda _: ChannelShift(15),
    "noise": lambda _: _noise(0.05),
    "blur": lambda _: v2.GaussianBlur(5, (0.1, 2.0)),
    "erase": lambda _: v2.RandomErasing(value=GREY),
    "trivial": lambda _: v2.TrivialAugmentWide(),
    "augmix": lambda _: v2.AugMix(),
}
"""Each takes the images' height and width, and gives a module from uint8 [3, H, W] to the same.

`trivial` is Mueller & Hutter 2021, `augmix` Hendrycks et al. 2020, `erase` Zhong et al. 2020.
"""


def augmentation(names: Sequence[str], size: Size) -> nn.Module:
    """All of them, one after the other; they draw from torch's global generator.

    Args:
        names: keys of `AUGMENTATIONS`; `none` stands for nothing.
        size: height and width of the images.

    Raises:
        TrainingError: there is no such augmentation.
    """
    chosen = [name for name in names if name != "none"]
    unknown = next((name for name in chosen if name not in AUGMENTATIONS), None)
    if unknown is not None:
        known = ", ".join(AUGMENTATIONS)
        raise TrainingError(f"no augmentation {unknown!r}; there are {known}, and none")
    return nn.Sequential(*(AUGMENTATIONS[name](size) for name in chosen))
