"""The network as a table: what each layer puts out, what it learns and what it keeps in memory."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from training.instrument import Instrumented

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


@dataclass(frozen=True)
class Layer:
    """One layer, for one image.

    Attributes:
        name: the module's, empty for the network itself.
        kind: the module's class.
        shape: of the output, without the batch.
        parameters: how many belong to no layer inside it.
        activations: how many numbers it writes; 0 where it is taken to work in place.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    activations: int


@dataclass(frozen=True)
class LayerTable:
    """The layers in the order in which they finish, the image before them."""

    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        """Of the whole network."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def activations(self) -> int:
        """Of one image, itself included."""
        return sum(layer.activations for layer in self.layers)


def table(network: Instrumented, image: torch.Tensor) -> LayerTable:
    """Run the network once and list its layers that have parameters or write activations.

    Activations are counted as in the table of VGGNet in Stanford's CS231n, "Convolutional
    Networks": the image, and the output of each convolution, pooling, fully connected or
    attention layer. What normalises, rectifies, adds or rearranges their outputs is taken to
    work in place, and what attention computes inside is not counted.

    Args:
        network: in evaluation mode.
        image: float [1, 3, H, W].
    """
    module = network.module
    outputs = _outputs(network, image)
    around = {outer for name in outputs for outer in _around(name)}
    parameters = Counter[str]()
    for name, parameter in module.named_parameters():
        # Some layers read the weights of layers inside them, which never run themselves.
        owner = next(outer for outer in _around(name) if outer in outputs)
        parameters[owner] += parameter.numel()
    rows = [Layer("image", "input", tuple(image.shape[1:]), 0, image[0].numel())]
    for name, shapes in outputs.items():
        part = module.get_submodule(name)
        written = name not in around and _writes(part)
        activations = sum(shape.numel() for shape in shapes) if written else 0
        if parameters[name] or activations:
            kind = type(part).__name__
            rows.append(Layer(name, kind, tuple(shapes[-1]), parameters[name], activations))
    return LayerTable(tuple(rows))


def _outputs(network: Instrumented, image: torch.Tensor) -> dict[str, list[torch.Size]]:
    """The shapes that each module puts out, without the batch: one for each time it runs."""
    found: dict[str, list[torch.Size]] = {}

    def record(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            # Attention gives its weights too, and some blocks two halves of their output.
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, torch.Tensor):
                found.setdefault(name, []).append(first.shape[1:])

        return hook

    handles = [
        part.register_forward_hook(record(name)) for name, part in network.module.named_modules()
    ]
    try:
        with torch.inference_mode():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _around(name: str) -> Iterator[str]:
    """The modules around a module or parameter, from the inside out; the last is the network."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _writes(part: nn.Module) -> bool:
    """Whether a layer pools or has a matrix of weights, and so needs memory for its output."""
    return isinstance(part, POOLS) or any(weight.ndim > 1 for weight in part.parameters())
