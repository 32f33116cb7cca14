"""What is minimised: losses of logits and soft targets."""

import torch
from torch.nn import functional

from training.recipe import Balance, Loss, Recipe


def targets(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Float32 [N, K], 1 at each image's class, from int64 [N]."""
    return functional.one_hot(labels, classes).float()


def losses(logits: torch.Tensor, target: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The loss of each image: float32 [N].

    `cross-entropy` in nats; `focal` is cross-entropy that makes little of what is right
    already (Lin et al. 2017, "Focal loss for dense object detection", equation 4); `mse` the
    squared error of the probabilities (Brier 1950). Label smoothing is Szegedy et al.'s (2016,
    "Rethinking the Inception architecture", section 7), of any of them.

    Args:
        logits: float [N, K].
        target: float32 [N, K], each row a distribution.
        recipe: says which.
    """
    share = recipe.label_smoothing
    target = target * (1 - share) + share / logits.shape[1]
    if recipe.loss is Loss.SQUARED:
        return (logits.float().softmax(dim=1) - target).square().sum(dim=1)
    log = logits.float().log_softmax(dim=1)
    if recipe.loss is Loss.FOCAL:
        log = (1 - log.exp()).pow(recipe.focus) * log
    return -(target * log).sum(dim=1)


def class_weights(labels: torch.Tensor, classes: int, balance: Balance) -> torch.Tensor:
    """What each class counts, float32 [K]: by `weights`, as much as any other; else 1.

    The mean over the images is 1, as with scikit-learn's `balanced`.

    Args:
        labels: int64 [N], of all images to learn from.
        classes: K.
        balance: what is done about rare classes.
    """
    if balance is not Balance.WEIGHTS:
        return torch.ones(classes)
    counts = torch.bincount(labels, minlength=classes)
    return len(labels) / (classes * counts.clamp(min=1))
