"""The square attack: a random search that sees nothing of the model but its logits."""

import numpy as np

from service.core.network import Floats, Network
from service.core.robustness import squares
from service.core.robustness.attacked import Attacked, Threat
from service.core.robustness.criterion import Criterion
from service.core.robustness.losses import Loss, value
from service.core.robustness.norms import Norm

_HALVED_AT = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After so many of 10,000 queries the squares' area is halved."""


def attack(
    network: Network,
    images: Floats,
    criterion: Criterion,
    eps: Floats,
    *,
    norm: Norm = Norm.LINF,
    queries: int = 1000,
    area: float = 0.8,
    seed: int = 0,
) -> Attacked:
    """Try squares, smaller and smaller, and keep what helps.

    Andriushchenko et al. 2020, "Square attack: a query-efficient black-box adversarial attack
    via random search", algorithm 1. A row that is fooled asks no more.

    Args:
        network: what is attacked; only `float.onnx` is run.
        images: float32 [N, 3, H, W] in [0, 1].
        criterion: of the N rows.
        eps: float32 [N], in the pixels' units.
        norm: of the perturbation.
        queries: forward passes at most for each row, at least 1.
        area: of the first squares, as a share of the image; it shrinks as queries pass.
        seed: of the squares.

    Raises:
        Unsupported: the bundle has no float graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    generator = np.random.default_rng(seed)
    best = squares.start(images, norm, eps, generator)
    logits = network.logits(best)
    most, fooled = value(logits, criterion, Loss.MARGIN), criterion.reached(logits)
    for query in range(1, queries):
        rows = np.flatnonzero(~fooled)
        if not rows.size:
            break
        share = area / 2 ** sum(10_000 * query > queries * end for end in _HALVED_AT)
        tried = squares.changed(
            best[rows], images[rows], norm, eps[rows], share=share, generator=generator
        )
        found = network.logits(tried)
        values = value(found, criterion.take(rows), Loss.MARGIN)
        reached = criterion.take(rows).reached(found)
        better = (values > most[rows]) | reached
        kept = rows[better]
        best[kept], logits[kept], most[kept] = tried[better], found[better], values[better]
        fooled[rows] = reached
    threat = Threat(
        norm, criterion.targets is not None, white_box=False,
        attack=f"square, at most {queries} queries, first squares {area:g} of the image",
    )  # fmt: skip
    return Attacked(best, logits, fooled, threat)
