"""What the score loses where the image is covered."""

from math import ceil

import numpy as np

from models.errors import InvalidRequest
from service.core.network import Floats, Network
from service.core.saliency.maps import Maps

MOST_WINDOWS = 8192

COVER = np.float32(0.5)
"""The grey, in [0, 1], of what covers."""


def occlusion(
    network: Network, image: Floats, cotangents: Floats, *, window: int, stride: int, signed: bool
) -> Maps:
    """For each pixel the mean fall of the score over all windows that cover it.

    Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section
    4.2, with a grey square. `float.onnx` runs once for each window, and once for the image.

    Args:
        network: see the package.
        image: see the package.
        cotangents: see the package.
        window: its side, in pixels of the image, at most the image's.
        stride: between windows, in pixels, at most `window`; what reaches past the edge is
            cut off.
        signed: keeps where covering raises the score, else the map is rectified.

    Raises:
        InvalidRequest: the window is larger than the image, or there are gaps between
            windows, or more than 8192 of them.
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    height, width = image.shape[1:]
    if window > min(height, width):
        raise InvalidRequest(f"window {window} is larger than the crop, {width}x{height}")
    if stride > window:
        raise InvalidRequest(f"stride {stride} leaves gaps between windows of {window}")
    corners = [
        (top, left)
        for top in _starts(height, window, stride)
        for left in _starts(width, window, stride)
    ]
    if len(corners) > MOST_WINDOWS:
        raise InvalidRequest(
            f"stride {stride} asks for {len(corners)} windows; {MOST_WINDOWS} is the most"
        )
    whole = network.logits(image[np.newaxis])[0].astype(np.float64) @ cotangents.T
    falls = np.zeros((len(cotangents), height, width))
    covered = np.zeros((height, width))
    for first in range(0, len(corners), network.batch):
        some = corners[first : first + network.batch]
        images = image[np.newaxis].repeat(len(some), axis=0)
        for each, (top, left) in zip(images, some, strict=True):
            each[:, top : top + window, left : left + window] = COVER
        scores = network.logits(images).astype(np.float64) @ cotangents.T
        for score, (top, left) in zip(scores, some, strict=True):
            under = np.s_[top : top + window, left : left + window]
            falls[:, *under] += (whole - score)[:, np.newaxis, np.newaxis]
            covered[under] += 1
    values = falls / covered
    if not signed:
        values = np.maximum(values, 0)
    return Maps(values.astype(np.float32), passes=1 + len(corners))


def _starts(side: int, window: int, stride: int) -> range:
    return range(0, (ceil((side - window) / stride) + 1) * stride, stride)
