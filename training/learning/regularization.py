"""What acts on a network only while it learns: dropout, skipped branches, batch statistics."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from timm.layers import DropPath
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import StochasticDepth

from models.errors import TrainingError
from training.instrument import last_linear
from training.recipe import Recipe, Strategy

BATCH_NORM_IMAGES = 4000
"""With fewer images, batch norm keeps the statistics of the many more that it has seen."""


@contextmanager
def regularized(module: nn.Module, recipe: Recipe, images: int) -> Iterator[None]:
    """Within, what the recipe wakes is awake; else the network is in evaluation mode.

    Dropout is on the head's inputs (Srivastava et al. 2014). Batch norm learns statistics
    where it is trained and there are thousands of images, or nothing that was learned before.

    Args:
        module: in evaluation mode.
        recipe: how strongly.
        images: how many are learned from.
    """
    head = module.get_submodule(last_linear(module))

    def drop(_head: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (nn.functional.dropout(inputs[0], recipe.dropout, training=True),)

    statistics = images >= BATCH_NORM_IMAGES or recipe.strategy is Strategy.SCRATCH
    handle = head.register_forward_pre_hook(drop) if recipe.dropout > 0 else None
    for part in module.modules():
        norm = isinstance(part, _BatchNorm) and statistics
        branch = isinstance(part, StochasticDepth | DropPath)
        if branch or (norm and any(p.requires_grad for p in part.parameters())):
            part.train()
    try:
        yield
    finally:
        module.eval()
        if handle is not None:
            handle.remove()


def drop_branches(module: nn.Module, rate: float) -> None:
    """Have residual branches skipped while training, the last with `rate`, in place.

    The rate rises linearly from 0 at the input (Huang et al. 2016, "Deep networks with
    stochastic depth", equation 4). It stands for what the library would drop by itself, also
    where it is 0.

    Raises:
        TrainingError: the network has no branches that its library can skip, and is to skip some.
    """
    for parent in module.modules():  # timm leaves an identity where nothing is dropped
        for name, child in parent.named_children():
            if rate > 0 and name.startswith("drop_path") and isinstance(child, nn.Identity):
                setattr(parent, name, DropPath().eval())
    branches = [part for part in module.modules() if isinstance(part, StochasticDepth | DropPath)]
    if rate > 0 and not branches:
        raise TrainingError("this network has no residual branches that can be skipped")
    for number, branch in enumerate(branches, start=1):
        own = rate * number / len(branches)
        if isinstance(branch, StochasticDepth):
            branch.p = own
        else:
            branch.drop_prob = own
