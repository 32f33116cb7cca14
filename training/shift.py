"""How far images are from those that a network has learned, by what its batch norms remember.

A batch norm carries the mean and the variance of each channel over the images that its
weights were learned from. Yin et al. 2020, "Dreaming to distill" (DeepInversion), section
3.2, draw images towards these; here they say how far images are from them, and no image of
the first task is needed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from training import features
from training.instrument import Instrumented
from training.weights import Weights

IMAGES = 128
"""Images that are looked at, at most, equally spaced."""


class _Batch(NamedTuple):
    """What passed a batch norm: values a channel, and float64 [C] mean and mean square."""

    values: int
    mean: torch.Tensor
    square: torch.Tensor


def shift(network: Instrumented, weights: Weights, crops: npt.NDArray[np.uint8]) -> float | None:
    """The distance, in standard deviations of the first task.

    For each channel it is the 2-Wasserstein distance of two normal distributions, that of the
    images and that which the batch norm remembers, in units of the latter's standard
    deviation: sqrt((m - mu)^2 + (s - sigma)^2) / sigma. It is averaged over the channels of a
    batch norm, then over the batch norms. A channel that was all but constant cannot blow it
    up: sigma^2 has the batch norm's epsilon added, as the network itself has it.

    Args:
        network: in evaluation mode, with the batch norms that its weights came with.
        weights: the network's.
        crops: uint8 [N, H, W, 3].

    Returns:
        at least 0; None where the weights are random or there is no batch norm.
    """
    norms = [module for module in network.module.modules() if isinstance(module, nn.BatchNorm2d)]
    if weights.state is None or not norms:
        return None
    rows = np.linspace(0, len(crops) - 1, min(IMAGES, len(crops))).astype(np.int64)
    with _watched(norms) as seen:
        features.embeddings(network, crops[rows])
    return float(np.mean([_distance(norm, batches) for norm, batches in seen]))


@contextmanager
def _watched(
    norms: Sequence[nn.BatchNorm2d],
) -> Iterator[list[tuple[nn.BatchNorm2d, list[_Batch]]]]:
    """Collect what passes each batch norm."""
    seen: list[tuple[nn.BatchNorm2d, list[_Batch]]] = [(norm, []) for norm in norms]
    handles = [norm.register_forward_pre_hook(partial(_keep, batches)) for norm, batches in seen]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _keep(batches: list[_Batch], _module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
    found = given[0]
    variance, mean = torch.var_mean(found, dim=(0, 2, 3), correction=0)
    mean = mean.double()
    batches.append(_Batch(found.numel() // found.shape[1], mean, variance.double() + mean**2))


def _distance(norm: nn.BatchNorm2d, batches: Sequence[_Batch]) -> float:
    values = sum(batch.values for batch in batches)
    mean = torch.stack([batch.mean * batch.values for batch in batches]).sum(dim=0) / values
    square = torch.stack([batch.square * batch.values for batch in batches]).sum(dim=0) / values
    deviation = (square - mean**2).clamp(min=0).sqrt()
    known_mean = norm.get_buffer("running_mean").double()
    known_variance = norm.get_buffer("running_var").double()
    apart = (mean - known_mean) ** 2 + (deviation - known_variance.sqrt()) ** 2
    return float((apart / (known_variance + norm.eps)).sqrt().mean())
