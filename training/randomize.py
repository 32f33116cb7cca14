"""Random weights that let no fault pass.

Fresh networks are blind in places: batch norm starts as the identity, the last scale of a
residual branch or a whole head as zero. A wrong branch behind such a zero would go unseen.
"""

import math

import torch
from torch import nn


def randomize(network: nn.Module, image: torch.Tensor, *, seed: int = 0) -> None:
    """Give a network random weights, scales, shifts and statistics, and no branch that is zero.

    Weights are He et al.'s (2015, section 2.2).

    Args:
        network: any module in evaluation mode; changed in place.
        image: a batch that it accepts; batch norm is scaled to what comes of it.
        seed: of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)

    def scale(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Set the statistics just before they are used, so later norms see their effect.

        A layer is brought to unit size as a whole. Channel by channel, those that happen to
        be weak would be enlarged, and with them the rounding errors, which are as large in
        every channel: from layer to layer until no digit is left (Yang et al. 2019, A mean
        field theory of batch normalization). Half of each channel's mean is taken away: with
        all of it, images come to look alike; without it, small differences grow.
        """
        channels = inputs[0].shape[1]
        half = inputs[0].mean(dim=(0, 2, 3)) / 2
        size = (inputs[0] - half[:, None, None]).square().mean().sqrt()
        norm.running_mean = half + 0.1 * size * torch.randn(channels, generator=generator)
        norm.running_var = size.square() * (0.5 + torch.rand(channels, generator=generator))

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(_random(name, parameter, generator))
        norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
        hooks = [norm.register_forward_pre_hook(scale) for norm in norms]
        network(image)
    for hook in hooks:
        hook.remove()


def _random(name: str, parameter: nn.Parameter, generator: torch.Generator) -> torch.Tensor:
    if name.endswith("bias"):
        return torch.randn(parameter.shape, generator=generator).mul(0.1)
    if parameter.squeeze().ndim <= 1:  # the scale of a norm or of a residual branch
        return torch.rand(parameter.shape, generator=generator).mul(0.8).add(0.2)
    inputs = parameter[0].numel()
    return torch.randn(parameter.shape, generator=generator) * math.sqrt(2 / inputs)
