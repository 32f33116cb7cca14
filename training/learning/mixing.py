"""Images mixed with one another, and their targets with them."""

import torch
from torchvision.transforms import v2

from training.recipe import Recipe


def mixed(
    image: torch.Tensor, target: torch.Tensor, recipe: Recipe
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch after mixup (Zhang et al. 2018), CutMix (Yun et al. 2019), or one of both.

    Each image is mixed with the one before it in the batch, by torchvision.

    Args:
        image: float32 [N, 3, H, W].
        target: float32 [N, K].
        recipe: `mixup` and `cutmix` are the alphas of the shares' Beta distribution.
    """
    classes = target.shape[1]
    kinds = [
        kind(alpha=alpha, num_classes=classes)
        for kind, alpha in ((v2.MixUp, recipe.mixup), (v2.CutMix, recipe.cutmix))
        if alpha > 0
    ]
    if not kinds:
        return image, target
    chosen = kinds[int(torch.randint(len(kinds), ()))]
    both: tuple[torch.Tensor, torch.Tensor] = chosen(image, target)
    return both
