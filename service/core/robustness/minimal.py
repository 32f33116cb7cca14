"""The smallest perturbation that changes an answer: the image's margin, found by bisection."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.core.network import Floats, Network
from service.core.robustness import deepfool, pgd
from service.core.robustness.attacked import Attacked
from service.core.robustness.criterion import Criterion, Ints
from service.core.robustness.losses import Loss
from service.core.robustness.norms import Norm, column, length
from service.core.robustness.pgd import Pgd

STEPS = 20
"""Of each ascent."""


@dataclass(frozen=True, eq=False)
class Margin:
    """`attacked` has the nearest images found; `distance` [N] is theirs, inf where none is."""

    attacked: Attacked
    distance: npt.NDArray[np.float64]


def minimal(
    network: Network, images: Floats, labels: Ints, norm: Norm, *, bisections: int = 10
) -> Margin:
    """Bisect the eps at which PGD still changes the answer.

    DeepFool's image is the first; PGD with the margin loss then looks at half its distance, and
    so on. Each ascent starts where the last success points, cut down to the ball: on a linear
    model that is the nearest boundary already. Where DeepFool fails, so does this.

    Args:
        network: what is attacked.
        images: float32 [N, 3, H, W] in [0, 1].
        labels: [N], the answers that are to change.
        norm: what is to be small.
        bisections: each takes 20 gradients and as many forward passes.

    Raises:
        Unsupported: the bundle has no gradient graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    first = deepfool.attack(network, images, labels, norm)
    best, logits = first.images.copy(), first.logits.copy()
    distance = np.where(first.fooled, length(best - images, norm), np.inf)
    low, high = np.zeros(len(images)), distance.copy()
    rows = first.fooled & (distance > 0)
    how = Pgd(norm, steps=STEPS, loss=Loss.MARGIN)
    criterion = Criterion(labels)
    threat = first.threat
    for _ in range(bisections):
        if not rows.any():
            break
        eps = (low + high)[rows] / 2
        found = pgd.attack(
            network, images[rows], criterion.take(rows), eps.astype(np.float32), how,
            start=_towards(images[rows], best[rows], eps / distance[rows]),
        )  # fmt: skip
        threat = found.threat
        reached = np.flatnonzero(rows)[found.fooled]
        best[reached], logits[reached] = found.images[found.fooled], found.logits[found.fooled]
        distance[reached] = length(best[reached] - images[reached], norm)
        high[reached] = distance[reached]
        low[np.flatnonzero(rows)[~found.fooled]] = eps[~found.fooled]
    return Margin(Attacked(best, logits, first.fooled, threat), distance)


def _towards(images: Floats, best: Floats, share: npt.NDArray[np.floating]) -> Floats:
    """The points at some share of the way from the images to the best so far."""
    return images + column(share) * (best - images)
