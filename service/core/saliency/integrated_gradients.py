"""The score's difference to a baseline, shared out among the pixels."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from service.core.network import Floats, Network
from service.core.saliency.gradients import shares
from service.core.saliency.maps import Maps
from service.core.saliency.resampling import blur

Baseline = Literal["black", "grey", "blurred"]

BLUR = 0.05
"""The blurred baseline's standard deviation, as a share of the image's shorter side."""


def _blurred(image: Floats) -> Floats:
    # Less its corner, an even image is zero; else its map would be the noise of rounding.
    corner = image[:, :1, :1]
    return corner + blur(image - corner, BLUR * min(image.shape[1:]))


_BASELINES: Mapping[str, Callable[[Floats], Floats]] = {
    "black": np.zeros_like,
    "grey": lambda image: np.full_like(image, 0.5),
    "blurred": _blurred,
}


def integrated_gradients(
    network: Network,
    image: Floats,
    cotangents: Floats,
    *,
    steps: int,
    baseline: Baseline,
    signed: bool,
) -> Maps:
    """The gradients along the straight line from a baseline to the image, integrated.

    Sundararajan et al. 2017, "Axiomatic attribution for deep networks", section 3, by the
    quadrature of `line`. `steps` + 2 passes of `gradient.onnx` for each map: the two ends give
    the scores that the attributions should add up to (section 3's completeness), and
    `Maps.gaps` says how far they are from it.

    Args:
        network: see the package.
        image: see the package.
        cotangents: see the package.
        steps: points on the line.
        baseline: where the line begins: black, mid-grey, or the image itself, blurred.
        signed: the sum over the colour channels, with its sign; else its absolute value.

    Raises:
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    start = _BASELINES[baseline](image)
    inner, weights = line(steps)
    # The two ends have no weight in the quadrature.
    places = np.concatenate([[0, 1], inner]).astype(np.float32)
    shared = np.concatenate([[0, 0], weights])
    maps, gaps = [], []
    for cotangent in cotangents:
        total = np.zeros(image.shape)
        scores: list[float] = []
        for first in range(0, len(places), network.batch):
            some = slice(first, first + network.batch)
            along = start + places[some, np.newaxis, np.newaxis, np.newaxis] * (image - start)
            rows = np.repeat(cotangent[np.newaxis], len(along), axis=0)
            found = network.input_gradient(along, rows)
            total += np.tensordot(shared[some], found.gradient.astype(np.float64), axes=1)
            scores += (found.logits.astype(np.float64) @ cotangent).tolist()
        attributions = total * (image - start)
        maps.append(shares(attributions[np.newaxis], signed=signed)[0])
        gaps.append(_gap(attributions.sum(), scores[1] - scores[0]))
    return Maps(np.stack(maps), passes=len(places) * len(cotangents), gaps=np.array(gaps))


def line(steps: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Places in (0, 1) and their weights, [steps] each: the midpoint rule for the cube root.

    Near the baseline the scores change most (a network saturates: Miglani et al. 2020,
    "Investigating saturation effects in integrated gradients"), so the places lie denser
    there. docs/explanations.md has what that is worth. The weights sum to 1.
    """
    middles = (np.arange(steps) + 0.5) / steps
    weights = middles**2
    return middles**3, weights / weights.sum()


def _gap(total: float, difference: float) -> float:
    missing = abs(total - difference)
    if difference == 0:
        return 0.0 if missing == 0 else float("inf")
    return missing / abs(difference)
