"""What a network costs to run."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from training.backbones import Backbone
from training.instrument import Instrumented


def multiply_adds(network: Instrumented, backbone: Backbone) -> int:
    """The multiply-adds of one image, in convolutions, linear layers and attention.

    Additions of bias, norms, activations and pooling are not counted, as is usual.
    """
    height, width = backbone.preprocessing.crop
    device = network.mean.device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, height, width, device=device))
    # It counts a multiplication and an addition as two.
    return int(counter.get_total_flops()) // 2
