"""Filters that undo small perturbations, and how far an answer moves under them.

Xu et al. 2018, "Feature squeezing: detecting adversarial examples in deep neural networks",
section 3, with the parameters that suit ImageNet (table 1): an answer to a photo hardly moves,
one that rests on a perturbation does.

Images are float32 [N, 3, H, W] in [0, 1].
"""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from service.core.classification import softmax
from service.core.network import Floats, Network

_BITS = 5
_SEARCH, _PATCH, _STRENGTH = 11, 3, 4 / 255


def bit_depth(images: Floats) -> Floats:
    """Round each channel to 5 bits."""
    levels = np.float32(2**_BITS - 1)
    return np.asarray(np.rint(images * levels) / levels)


def median(images: Floats) -> Floats:
    """The median of each pixel and those above, left and above left; of two middle ones the larger.

    The image is mirrored at its border, the last pixel included.
    """
    padded = np.pad(images, ((0, 0), (0, 0), (1, 0), (1, 0)), mode="symmetric")
    above, left = padded[:, :, :-1], padded[:, :, 1:]
    window = np.stack([above[..., :-1], above[..., 1:], left[..., :-1], left[..., 1:]])
    return np.asarray(np.sort(window, axis=0)[2])


def non_local_means(images: Floats) -> Floats:
    """Replace each pixel by the mean of those around it whose surroundings are like its own.

    Buades et al. 2005, "A non-local algorithm for image denoising": patches of 3 x 3 in windows
    of 11 x 11. The image is mirrored at its border, the last pixel left out. Distances are taken in
    RGB; the paper's OpenCV takes them in Lab.
    """
    height, width = images.shape[2:]
    reach, edge = _SEARCH // 2, _PATCH // 2
    margin = (reach + edge, reach + edge)
    padded = np.pad(images, ((0, 0), (0, 0), margin, margin), mode="reflect")
    here = padded[..., reach:-reach, reach:-reach]
    total, weights = np.zeros_like(images), np.zeros_like(images[:, :1])
    for down, across in product(range(_SEARCH), repeat=2):
        there = padded[..., down : down + height + 2 * edge, across : across + width + 2 * edge]
        unlike = _patch_mean(np.square(there - here).mean(axis=1, keepdims=True))
        weight = np.exp(-unlike / np.float32(_STRENGTH**2))
        total += weight * there[..., edge : edge + height, edge : edge + width]
        weights += weight
    return np.asarray(total / weights)


SQUEEZERS: Mapping[str, Callable[[Floats], Floats]] = {
    "bit depth": bit_depth,
    "median": median,
    "non-local means": non_local_means,
}


def disagreement(network: Network, images: Floats) -> dict[str, Floats]:
    """How far each squeezer moves the probabilities: L1 distances [N], from 0 to 2.

    Raises:
        Unsupported: the bundle has no float graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    before = softmax(network.logits(images), 1)
    moved = {
        name: softmax(network.logits(squeeze(images)), 1) - before
        for name, squeeze in SQUEEZERS.items()
    }
    return {name: np.abs(change).sum(axis=1) for name, change in moved.items()}


def _patch_mean(values: Floats) -> Floats:
    """The mean over each whole patch: [N, 1, H, W] of [N, 1, H + 2, W + 2]."""
    last = 1 - _PATCH
    rows = sum(values[:, :, shift : values.shape[2] + last + shift] for shift in range(_PATCH))
    rows = np.asarray(rows)
    columns = sum(rows[..., shift : rows.shape[3] + last + shift] for shift in range(_PATCH))
    return np.asarray(columns / np.float32(_PATCH**2))
