"""Random weights that let no fault pass.

Fresh networks are blind in places: batch norm starts as the identity, the last scale of a
residual branch or a whole head as zero. A wrong branch behind such a zero would go unseen.
"""

import math

import torch
from torch import nn


def randomize(network: nn.Module, image: torch.Tensor, *, seed: int = 0) -> None:
    """Give a network random weights, scales, shifts and statistics, and no branch that is zero.

    Weights are He et al.'s (2015, section 2.2): activations keep their size through any
    depth, and rounding is not amplified.

    Args:
        network: any module; changed in place and left in evaluation mode.
        image: a batch that it accepts; batch norm is scaled to what comes of it.
        seed: of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        parameter.data.copy_(_random(name, parameter, generator))

    def scale(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Set the statistics just before they are used, so later norms see their effect.

        The mean is not taken away: where it dwarfs the deviation, as it does deep in a random
        network, that would leave little but rounding errors, enlarged.
        """
        power = inputs[0].square().mean(dim=(0, 2, 3))
        norm.running_mean = 0.1 * power.sqrt() * torch.randn(power.shape, generator=generator)
        norm.running_var = power * (0.5 + torch.rand(power.shape, generator=generator))

    hooks = [
        part.register_forward_pre_hook(scale)
        for part in network.modules()
        if isinstance(part, nn.BatchNorm2d)
    ]
    network.eval()
    with torch.no_grad():
        network(image)
    for hook in hooks:
        hook.remove()


def _random(name: str, parameter: nn.Parameter, generator: torch.Generator) -> torch.Tensor:
    if name.endswith("bias"):
        return torch.randn(parameter.shape, generator=generator).mul(0.1)
    if parameter.squeeze().ndim <= 1:  # the scale of a norm or of a residual branch
        return torch.rand(parameter.shape, generator=generator).add(0.5)
    inputs = parameter[0].numel()
    return torch.randn(parameter.shape, generator=generator) * math.sqrt(2 / inputs)
