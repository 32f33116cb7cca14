"""One pass over the images: what the network's body makes of them."""

import numpy as np
import numpy.typing as npt
import torch

from models.golden import to_float
from training.instrument import Instrumented, Outputs

BATCH = 32


def embeddings(network: Instrumented, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What the classifier takes: float32 [N, D].

    Args:
        network: in evaluation mode.
        crops: uint8 [N, H, W, 3].
    """
    return np.concatenate([outputs.embedding.cpu().numpy() for outputs in _passes(network, crops)])


def logits(network: Instrumented, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The network's logits: float32 [N, K]; arguments as for `embeddings`."""
    return np.concatenate([outputs.logits.cpu().numpy() for outputs in _passes(network, crops)])


@torch.inference_mode()
def _passes(network: Instrumented, crops: npt.NDArray[np.uint8]) -> list[Outputs]:
    batches = np.split(crops, range(BATCH, len(crops), BATCH))
    device = network.mean.device
    outputs = (network(torch.from_numpy(to_float(batch)).to(device)) for batch in batches)
    # The explained layer's grids would fill the memory.
    return [found._replace(layer=None) for found in outputs]
