"""Random weights that let no fault pass.

Fresh networks are blind in places: batch norm starts as the identity, the last scale of a
residual branch or a whole head as zero. A wrong branch behind such a zero would go unseen.
"""

import math

import torch
from torch import nn


def randomize(network: nn.Module, image: torch.Tensor, *, seed: int = 0) -> None:
    """Give a network random scales, shifts and statistics, and no branch that is zero.

    Args:
        network: any module; changed in place and left in evaluation mode.
        image: a batch it accepts; the statistics of batch norm are taken from it, so that
            activations keep their size through any depth, and then perturbed.
        seed: of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if _is_constant(parameter):
            parameter.data.copy_(_replacement(name, parameter, generator))
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    network.eval()
    for norm in norms:
        norm.momentum = None  # the plain mean over the batches seen
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        network(image)
    network.eval()
    for norm in norms:
        if norm.running_mean is not None and norm.running_var is not None:
            norm.running_mean += (
                0.1 * norm.running_var.sqrt() * _normal(norm.running_mean, generator)
            )
            norm.running_var *= 0.5 + torch.rand(norm.running_var.shape, generator=generator)


def _is_constant(parameter: nn.Parameter) -> bool:
    return parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all())


def _replacement(name: str, parameter: nn.Parameter, generator: torch.Generator) -> torch.Tensor:
    if name.endswith("bias"):
        return _normal(parameter, generator).mul(0.1)
    if parameter.squeeze().ndim <= 1:  # the scale of a norm or of a residual branch
        return 0.5 + torch.rand(parameter.shape, generator=generator)
    return _normal(parameter, generator) / math.sqrt(parameter[0].numel())


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator)
