"""The square attack: a random search that sees nothing of the model but its logits."""

import numpy as np

from service.core.network import Floats, Network
from service.core.robustness.attacked import Attacked, Threat
from service.core.robustness.criterion import Criterion
from service.core.robustness.losses import Loss, value
from service.core.robustness.norms import Norm, column

_HALVED_AT = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After so many of 10,000 queries the squares' area is halved."""


def attack(
    network: Network,
    images: Floats,
    criterion: Criterion,
    eps: Floats,
    *,
    queries: int = 1000,
    area: float = 0.8,
    seed: int = 0,
) -> Attacked:
    """Try squares of colour, each channel at plus or minus eps, and keep what helps.

    Andriushchenko et al. 2020, "Square attack: a query-efficient black-box adversarial attack
    via random search", algorithms 1 and 2, in Linf. It starts from vertical stripes, and a row
    that is fooled asks no more.

    Args:
        network: what is attacked; only `float.onnx` is run.
        images: float32 [N, 3, H, W] in [0, 1].
        criterion: of the N rows.
        eps: float32 [N], in the pixels' units.
        queries: forward passes at most for each row, at least 1.
        area: of the first squares, as a share of the image; it shrinks as queries pass.
        seed: of the squares.

    Raises:
        Unsupported: the bundle has no float graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    generator = np.random.default_rng(seed)
    count, channels, height, width = images.shape
    stripes = _signs(generator, (count, channels, 1, width))
    best = np.clip(images + column(eps) * stripes, 0, 1)
    logits = network.logits(best)
    most, fooled = value(logits, criterion, Loss.MARGIN), criterion.reached(logits)
    for query in range(1, queries):
        rows = np.flatnonzero(~fooled)
        if not rows.size:
            break
        share = area / 2 ** sum(10_000 * query > queries * end for end in _HALVED_AT)
        side = min(max(round(np.sqrt(share * height * width)), 1), height, width)
        tried = best[rows]
        for row, moved in zip(rows, tried, strict=True):
            top, left = generator.integers((height - side + 1, width - side + 1))
            window = np.s_[:, top : top + side, left : left + side]
            signs = _signs(generator, (channels, 1, 1))
            moved[window] = np.clip(images[row][window] + eps[row] * signs, 0, 1)
        found = network.logits(tried)
        values = value(found, criterion.take(rows), Loss.MARGIN)
        reached = criterion.take(rows).reached(found)
        better = (values > most[rows]) | reached
        kept = rows[better]
        best[kept], logits[kept], most[kept] = tried[better], found[better], values[better]
        fooled[rows] = reached
    threat = Threat(
        Norm.LINF, criterion.targets is not None, white_box=False,
        attack=f"square, at most {queries} queries, first squares {area:g} of the image",
    )  # fmt: skip
    return Attacked(best, logits, fooled, threat)


def _signs(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return generator.choice(np.array([-1, 1], dtype=np.float32), shape)
