"""DeepFool: steps to the nearest boundary, as if the network were linear."""

from typing import NamedTuple

import numpy as np

from service.core.network import Floats, Network
from service.core.robustness.attacked import Attacked, Threat
from service.core.robustness.criterion import Criterion, Ints
from service.core.robustness.norms import Norm, column, dual_length, steepest

STEPS, CANDIDATES = 50, 10
"""Foolbox's defaults: so many steps at most, towards the likeliest classes."""

_BEYOND = 1e-4
_TINY = 1e-8


class _Boundary(NamedTuple):
    """The nearest boundary of each row: its `distance` [N], and the `direction` to it."""

    distance: Floats
    direction: Floats


def attack(
    network: Network,
    images: Floats,
    labels: Ints,
    norm: Norm,
    *,
    steps: int = STEPS,
    candidates: int = CANDIDATES,
    overshoot: float = 0.02,
) -> Attacked:
    """Step across the nearest boundary until the answer changes.

    Moosavi-Dezfooli et al. 2016, "DeepFool: a simple and accurate method to fool deep neural
    networks", algorithm 2, and section 3.3 for other norms than L2.

    Args:
        network: what is attacked.
        images: float32 [N, 3, H, W] in [0, 1].
        labels: [N], the answers that are to change.
        norm: whose steps are as short as can be.
        steps: at most.
        candidates: so many classes with the highest logits have their boundaries looked at; at
            least 2, of which the label is one where the image is answered rightly.
        overshoot: each perturbation is lengthened by this share, to be across.

    Raises:
        Unsupported: the bundle has no gradient graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    criterion = Criterion(labels)
    here, logits = images.copy(), network.logits(images)
    rivals = np.argsort(-logits, axis=1, kind="stable")[:, 1:candidates]
    fooled = criterion.reached(logits)
    change = np.zeros_like(images)
    for _ in range(steps):
        if fooled.all():
            break
        rows = ~fooled
        nearest = _nearest(network, here[rows], logits[rows], (labels[rows], rivals[rows]), norm)
        change[rows] += column(nearest.distance + _BEYOND) * nearest.direction
        moved = images[rows] + np.float32(1 + overshoot) * change[rows]
        here[rows] = np.clip(moved, 0, 1)
        logits[rows] = network.logits(here[rows])
        fooled = criterion.reached(logits)
    how = f"deepfool, at most {steps} steps to {candidates - 1} classes, overshoot {overshoot:g}"
    return Attacked(here, logits, fooled, Threat(norm, targeted=False, white_box=True, attack=how))


def _nearest(
    network: Network, images: Floats, logits: Floats, classes: tuple[Ints, Ints], norm: Norm
) -> _Boundary:
    """The nearest boundary between each label [N] and its rivals [N, R]."""
    labels, rivals = classes
    rows = np.arange(len(images))
    distance = np.full(len(images), np.inf, dtype=np.float32)
    slope = np.zeros_like(images)
    for rival in rivals.T:
        difference = np.zeros_like(logits)
        difference[rows, rival] += 1
        difference[rows, labels] -= 1
        gradient = network.input_gradient(images, difference).gradient
        gap = np.abs(logits[rows, rival] - logits[rows, labels])
        found = (gap / (dual_length(gradient, norm) + _TINY)).astype(np.float32)
        nearer = found < distance
        distance[nearer], slope[nearer] = found[nearer], gradient[nearer]
    return _Boundary(distance, steepest(slope, norm))
