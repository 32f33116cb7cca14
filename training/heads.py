"""Another classifier on a backbone: for other classes, or fitted elsewhere."""

import torch
from torch import nn

from models.errors import ExportError
from training.instrument import last_linear
from training.probe import LinearHead


def attach(module: nn.Module, classes: int) -> None:
    """Replace a backbone's classifier by a fresh one for `classes` classes, in place.

    A convolutional classifier over a grid (SqueezeNet's) becomes a linear layer behind
    global average pooling: its ReLU between the classifier and the pooling admits no
    linear head.
    """
    name = last_linear(module)
    old = module.get_submodule(name)
    parent_name, _, own_name = name.rpartition(".")
    parent = module.get_submodule(parent_name)
    if isinstance(old, nn.Linear):
        setattr(parent, own_name, nn.Linear(old.in_features, classes))
    elif isinstance(old, nn.Conv2d) and isinstance(parent, nn.Sequential):
        pooled = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(old.in_channels, classes)
        )
        grandparent_name, _, parent_own_name = parent_name.rpartition(".")
        setattr(module.get_submodule(grandparent_name), parent_own_name, pooled)
    elif isinstance(old, nn.Conv2d):
        setattr(parent, own_name, nn.Conv2d(old.in_channels, classes, 1))
    else:
        raise ExportError(f"{name} is no classifier that can be replaced")
    module.eval()


@torch.no_grad()
def fold(module: nn.Module, head: LinearHead) -> None:
    """Make a fitted head the weights of a backbone's classifier, in place.

    Args:
        module: whose classifier is linear in its input, as `attach` leaves it.
        head: for the embedding that the classifier takes.
    """
    classifier = module.get_submodule(last_linear(module))
    if not isinstance(classifier, nn.Linear | nn.Conv2d) or classifier.bias is None:
        raise ExportError("the classifier has no bias to fold a head into")
    weight = torch.from_numpy(head.weight).to(classifier.weight.dtype)
    classifier.weight.copy_(weight.reshape(classifier.weight.shape))
    classifier.bias.copy_(torch.from_numpy(head.bias))
