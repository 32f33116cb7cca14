"""The explained layer's activations, weighed by what the network sees through each of them."""

import numpy as np
import numpy.typing as npt

from service.core.network import Floats, Network
from service.core.saliency.maps import Maps, enlarged
from service.core.saliency.resampling import enlarge


def scorecam(network: Network, image: Floats, cotangents: Floats, *, channels: int) -> Maps:
    """Activations weighed by the score of the image seen through them, rectified.

    Wang et al. 2020, "Score-CAM", algorithm 1: each channel, enlarged and brought to [0, 1],
    masks the image (to black); the softmax over the channels of the scores is their weight.
    1 + `channels` passes of `float.onnx` for all maps, one less where the activations have been
    seen already.

    Args:
        network: see the package.
        image: see the package.
        cotangents: see the package.
        channels: how many are tried, those that vary most over the image; the paper tries all.

    Raises:
        Unsupported: the bundle has no such graph or no explained layer.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    found, passes = network.layer(image)
    activations = found.astype(np.float64)
    spread = activations.std(axis=(1, 2))
    kept = activations[np.sort(np.argsort(-spread, kind="stable")[:channels])]
    parts = []
    for first in range(0, len(kept), network.batch):
        seen = image * _mask(kept[first : first + network.batch], image.shape[1:])
        parts.append(network.logits(seen).astype(np.float64) @ cotangents.T)
    scores = np.concatenate(parts)
    powers = np.exp(scores - scores.max(axis=0))
    coarse = np.tensordot((powers / powers.sum(axis=0)).T, kept, axes=1)
    return enlarged(np.maximum(coarse, 0), image, passes=passes + len(kept))


def _mask(activations: npt.NDArray[np.float64], size: tuple[int, ...]) -> Floats:
    """Channels [C, h, w] enlarged and brought to [0, 1], [C, 1, H, W]; a constant one is 0."""
    large = enlarge(activations, size)
    low = large.min(axis=(1, 2), keepdims=True)
    extent = large.max(axis=(1, 2), keepdims=True) - low
    scaled = np.divide(large - low, extent, out=np.zeros_like(large), where=extent > 0)
    return np.asarray(scaled[:, np.newaxis], dtype=np.float32)
