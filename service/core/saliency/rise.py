"""What the network still sees through random masks."""

from math import ceil

import numpy as np
import numpy.typing as npt

from service.core.classification import softmax
from service.core.network import Floats, Network
from service.core.saliency.maps import Maps
from service.core.saliency.resampling import enlarge

Bits = npt.NDArray[np.bool_]
Shifts = npt.NDArray[np.int64]

CELLS = 7
OPEN = 0.5
"""The probability that a cell of a mask lets the image through."""


def rise(
    network: Network, image: Floats, cotangents: Floats, *, masks: int, seed: int, signed: bool
) -> Maps:
    """The mean of random masks, each counted by the probability of the image seen through it.

    Petsiuk et al. 2018, "RISE", sections 3.1 and 3.2, with its masks of 7 x 7 cells, but each
    counts by what its probability exceeds the mean of all by. In equation 6 as it stands, a pixel
    that does not matter has that mean, and more where more masks happen to leave it open; so
    it has zero. What is explained is `cotangent . softmax(logits)`. `float.onnx` runs once for
    each mask, for all maps together.

    Args:
        network: see the package.
        image: see the package.
        cotangents: see the package.
        masks: how many, at least two.
        seed: of the masks; all maps see the same ones.
        signed: keeps what lowers the probability, or a contrast; else the map is rectified.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    size = image.shape[1:]
    cells, shifts = drawn(masks, size, seed)
    total, opened = np.zeros((len(cotangents), *size)), np.zeros(size)
    counts = np.empty((masks, len(cotangents)))
    for first in range(0, masks, network.batch):
        some = slice(first, first + network.batch)
        seen = windows(cells[some], shifts[some], size)
        counts[some] = softmax(network.logits(image * seen[:, np.newaxis])) @ cotangents.T
        # Less the first one's, which changes no map: where all are equal, it is zero to the bit.
        total += np.tensordot((counts[some] - counts[0]).T, seen, axes=1)
        opened += seen.sum(axis=0)
    mean = (counts - counts[0]).mean(axis=0)
    values = (total - mean[:, np.newaxis, np.newaxis] * opened) / (masks * OPEN)
    if not signed:
        values = np.maximum(values, 0)
    return Maps(values.astype(np.float32), passes=masks)


def drawn(masks: int, size: tuple[int, ...], seed: int) -> tuple[Bits, Shifts]:
    """The cells that are open, bool [masks, 7, 7], and shifts [masks, 2], less than a cell."""
    generator = np.random.default_rng(seed)
    cells = generator.random((masks, CELLS, CELLS)) < OPEN
    return cells, generator.integers(0, [_cell(side) for side in size], (masks, 2))


def windows(cells: Bits, shifts: Shifts, size: tuple[int, ...]) -> Floats:
    """Masks float32 [N, H, W] in [0, 1]: cells enlarged by a cell too much, and shifted."""
    height, width = size
    large = enlarge(cells.astype(np.float64), tuple((CELLS + 1) * _cell(side) for side in size))
    return np.stack(
        [
            mask[top : top + height, left : left + width]
            for mask, (top, left) in zip(large, shifts.tolist(), strict=True)
        ]
    )


def _cell(side: int) -> int:
    return ceil(side / CELLS)
