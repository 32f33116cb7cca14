"""A backbone that shows its inside: logits, embedding and the explained layer."""

from typing import NamedTuple

import torch
from torch import nn

from models.errors import ExportError
from models.manifest import Preprocessing
from training.backbones import Backbone


class Outputs(NamedTuple):
    """What an instrumented backbone returns.

    `logits` [N, K]; `embedding` [N, D], what the last linear layer takes; `layer`, the
    explained layer's output in its own layout, or None.
    """

    logits: torch.Tensor
    embedding: torch.Tensor
    layer: torch.Tensor | None


class Instrumented(nn.Module):
    """From float `image` [N, 3, H, W] in [0, 1] to `Outputs`; normalisation is inside."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, module: nn.Module, backbone: Backbone, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.module = module
        self.layer_name = backbone.layer
        self.classifier_name = last_linear(module)
        by_channel = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(preprocessing.mean).reshape(by_channel))
        self.register_buffer("std", torch.tensor(preprocessing.std).reshape(by_channel))

    def forward(self, image: torch.Tensor) -> Outputs:
        """Run the backbone and catch what passes the two modules.

        The hooks live as long as the call: a deep copy of the module would share longer
        ones.
        """
        seen: dict[str, torch.Tensor] = {}

        def catch_embedding(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            seen["embedding"] = inputs[0]

        def catch_layer(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            seen["layer"] = output

        classifier = self.module.get_submodule(self.classifier_name)
        handles = [classifier.register_forward_pre_hook(catch_embedding)]
        if self.layer_name is not None:
            layer = self.module.get_submodule(self.layer_name)
            handles.append(layer.register_forward_hook(catch_layer))
        try:
            logits = self.module((image - self.mean) / self.std)
        finally:
            for handle in handles:
                handle.remove()
        embedding = seen["embedding"]
        if embedding.ndim > 2:  # noqa: PLR2004 - a convolutional classifier sees a grid
            embedding = embedding.mean(dim=(2, 3))
        return Outputs(logits, embedding, seen.get("layer"))


def last_linear(module: nn.Module) -> str:
    """The name of the last linear layer (or 1x1 convolution): the classifier.

    Raises:
        ExportError: there is none.
    """
    names: list[str] = [
        name for name, part in module.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)
    ]
    if not names:
        raise ExportError("the network has no linear layer")
    return names[-1]
