"""What a network's layers make of images, and how far each serves another task.

Yosinski et al. 2014, "How transferable are features in deep neural networks?"; told here by
linear probes, as in Alain & Bengio 2016, "Understanding intermediate layers using linear
classifier probes".
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from training import depth, features, probe
from training.backbones import Layout
from training.instrument import Instrumented
from training.probe import Classifier, Fold, Labels, Probe
from training.recipe import Metric

LAYERS = 5
"""Layers below the embedding that are looked at, at most."""


@dataclass(frozen=True, eq=False)
class Layer:
    """What the first `blocks` of the `of` blocks below the head make of N images.

    Blocks are those of `training.depth`. `features` is float32 [N, C], averaged over the
    places of each channel; of all blocks, it is the embedding.
    """

    blocks: int
    of: int
    features: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Transfer:
    """How far a layer serves a task.

    `blocks` and `of` are as in `Layer`; `accuracy` is the share of right answers of a
    cross-validated probe on so many `images`.
    """

    blocks: int
    of: int
    accuracy: float
    images: int

    @classmethod
    def of_probe(cls, layer: Layer, found: Probe) -> Self:
        """As a probe on the layer's features has found."""
        return cls(layer.blocks, layer.of, found.accuracy, len(layer.features))

    @property
    def error(self) -> float:
        """The standard error of the accuracy."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.images)


def pooled(network: Instrumented, layout: Layout, crops: npt.NDArray[np.uint8]) -> list[Layer]:
    """A few layers, equally spaced, from the input to the embedding; one pass.

    Args:
        network: in evaluation mode.
        layout: of its features.
        crops: uint8 [N, H, W, 3].
    """
    with watched(network, layout) as seen:
        embedding = features.embeddings(network, crops)
    # Below a head alone there is nothing but the image, which is then the embedding.
    of = max(1, len(depth.blocks(network.module)) - 1)
    below = [Layer(blocks, of, torch.cat(parts).cpu().numpy()) for blocks, parts in seen.items()]
    return [*below, Layer(of, of, embedding)]


@contextmanager
def watched(network: Instrumented, layout: Layout) -> Iterator[dict[int, list[torch.Tensor]]]:
    """Collect, by the number of blocks before it, what each layer gives: [N, C] a pass."""
    seen: dict[int, list[torch.Tensor]] = {}
    handles = []

    def keep(blocks: int, _module: nn.Module, given: tuple[object, ...]) -> None:
        seen[blocks].append(_average(given[0], layout))

    for blocks, name in _looked_at(network.module).items():
        seen[blocks] = []
        module = network.module.get_submodule(name)
        handles.append(module.register_forward_pre_hook(partial(keep, blocks)))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def transfer(
    layers: Sequence[Layer],
    labels: Labels,
    splits: Sequence[Fold],
    *,
    even: bool = False,
    metric: Metric = Metric.LOG_LOSS,
) -> list[Transfer]:
    """Cross-validate a logistic regression on each layer.

    Args:
        layers: of N images.
        labels: int [N], each of 0 … K - 1 at least once.
        splits: from `probe.folds`.
        even: as for `probe.fit`.
        metric: as for `probe.fit`.
    """
    fit = partial(
        probe.fit, labels=labels, classifier=Classifier.LOGISTIC, splits=splits, even=even,
        metric=metric,
    )  # fmt: skip
    return [Transfer.of_probe(layer, fit(layer.features)) for layer in layers]


def _looked_at(module: nn.Module) -> dict[int, str]:
    """Modules whose input is looked at, by the number of blocks before them.

    What a block takes is what the block before gives, its activation and pooling included.
    Neither the image nor the embedding is among them.
    """
    first = _first_modules(module)
    inner = sorted(first)[1:-1]
    step = max(1, math.ceil(len(inner) / LAYERS))
    return {blocks: first[blocks] for blocks in inner[::-step][::-1]}


def _first_modules(module: nn.Module) -> dict[int, str]:
    """The name of the module that each block begins with; a lone parameter has none."""
    blocks = depth.blocks(module)
    owner = {id(parameter): number for number, block in enumerate(blocks) for parameter in block}
    found: dict[int, str] = {}
    for name, part in module.named_modules():
        numbers = {owner[id(parameter)] for parameter in part.parameters()}
        # A list is not called: its members are.
        if len(numbers) == 1 and not isinstance(part, nn.ModuleList):
            found.setdefault(numbers.pop(), name)
    return found


def _average(given: object, layout: Layout) -> torch.Tensor:
    """The mean over all places: [N, C]. Paths that run side by side are one layer (DPN)."""
    if isinstance(given, tuple | list):
        return torch.cat([_average(path, layout) for path in given], dim=1)
    if not isinstance(given, torch.Tensor):
        raise TypeError(f"a block takes {type(given).__name__}, and no tensor")
    match given.ndim:
        case 4:
            return given.mean(dim=(1, 2) if layout is Layout.NHWC else (2, 3))
        case 3:
            return given.mean(dim=1)
        case _:
            return given
