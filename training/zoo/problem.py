"""A random batch, what is asked of each image, and autograd's answer."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.manifest import Graph
from training.backbones import Backbone, Layout
from training.examples import example
from training.golden import gradient, to_grid
from training.instrument import Instrumented

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """A batch with every input of a bundle's graphs.

    `image` is float32 [N, 3, H, W], multiples of 1/255; `cotangent` [N, K] and
    `softmax_weight` [N] say whose gradient is taken.
    """

    image: torch.Tensor
    cotangent: torch.Tensor
    softmax_weight: torch.Tensor

    @classmethod
    def draw(cls, chosen: Backbone, batch: int, *, classes: int, seed: int) -> "Problem":
        """A seeded problem of that batch size."""
        generator = torch.Generator().manual_seed(seed)
        return cls(
            image=example(chosen.preprocessing, batch, seed=seed),
            cotangent=torch.randn(batch, classes, generator=generator),
            softmax_weight=torch.rand(batch, generator=generator),
        )

    def of(self, images: slice) -> "Problem":
        """The same for some of the images."""
        return Problem(*(tensor[images] for tensor in vars(self).values()))

    def feeds(self, graph: Graph, names: Iterable[str]) -> dict[str, npt.NDArray[np.generic]]:
        """The inputs of a graph by name; `model.onnx` takes bytes, all others floats."""
        given = {name: tensor.numpy() for name, tensor in vars(self).items()}
        if graph is Graph.MODEL:
            given["image"] = self.pixels
        return {name: given[name] for name in names}

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The images as `model.onnx` takes them: uint8 [N, H, W, 3]."""
        scaled = (self.image * 255).round().to(torch.uint8)
        return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).numpy())

    def solve(self, network: Instrumented, layout: Layout) -> dict[str, Array]:
        """Every output of every graph by autograd, in the network's dtype."""
        dtype = network.mean.dtype
        image = self.image.to(dtype, copy=True).requires_grad_()
        logits, embedding, layer = network(image)
        softmax = logits.detach().softmax(dim=1)
        seed = self.cotangent.to(dtype) + self.softmax_weight.to(dtype)[:, None] * softmax
        found = {
            "logits": logits,
            "embedding": embedding,
            "input_gradient": gradient(logits, image, seed),
        }
        if layer is not None:
            at_layer = gradient(logits, layer, self.cotangent)
            found["activations"] = to_grid(layer, layout)
            found["activation_gradients"] = to_grid(at_layer, layout)
        return {name: tensor.detach().double().numpy() for name, tensor in found.items()}
