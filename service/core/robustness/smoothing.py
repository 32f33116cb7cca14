"""A certified radius: the answer under noise, and how far nothing can change it."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from service.core.network import Floats, Network
from service.core.noise import Draw


@dataclass(frozen=True)
class Certificate:
    """What randomised smoothing says of one image.

    Attributes:
        answer: the smoothed model's class; None: it abstains.
        radius: in L2, in the pixels' units; no perturbation shorter than this changes the
            smoothed model's answer, but for a share `alpha` of such statements. 0 where it
            abstains.
        sigma: standard deviation of the noise.
        n0: noisy images that choose the class.
        n: noisy images that the radius was estimated on.
        alpha: the share of statements that may be wrong.
        seed: of the noise.
    """

    answer: int | None
    radius: float
    sigma: float
    n0: int
    n: int
    alpha: float
    seed: int


def certify(
    network: Network,
    image: Floats,
    *,
    sigma: float,
    n0: int = 100,
    n: int = 1000,
    alpha: float = 0.001,
    seed: int = 0,
) -> Certificate:
    """Certify one image's answer.

    Cohen et al. 2019, "Certified adversarial robustness via randomized smoothing", section 3.2,
    CERTIFY. Noisy pixels are not clipped to [0, 1], or the guarantee would be another one. The
    certificate is the smoothed model's; of a model that was not trained on such noise it is
    seldom worth much.

    Args:
        network: what is smoothed; only `float.onnx` is run.
        image: float32 [3, H, W] in [0, 1].
        sigma: see `Certificate`; above 0.
        n0: see `Certificate`.
        n: see `Certificate`.
        alpha: see `Certificate`; between 0 and 1.
        seed: see `Certificate`.

    Raises:
        Unsupported: the bundle has no float graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    draw = network.noise(image, sigma, seed)
    answer = int(_counts(network, draw, n0).argmax())
    hits = int(_counts(network, draw, n)[answer])
    lower = lower_bound(hits, n, alpha)
    if lower <= 1 / 2:
        return Certificate(None, 0.0, sigma, n0, n, alpha, seed)
    return Certificate(answer, sigma * NormalDist().inv_cdf(lower), sigma, n0, n, alpha, seed)


def lower_bound(hits: int, n: int, alpha: float) -> float:
    """The least probability that `hits` of `n` leave plausible: Clopper & Pearson 1934.

    One-sided: the p at which so many hits or more have the probability `alpha`, by bisection.
    """
    if hits == 0:
        return 0.0
    low, high = 0.0, hits / n
    while (middle := (low + high) / 2) not in (low, high):
        if _at_least(hits, n, middle) < alpha:
            low = middle
        else:
            high = middle
    return low


def _at_least(hits: int, n: int, p: float) -> float:
    """The probability of `hits` or more of `n` at the probability `p` of each, in (0, 1]."""
    if p >= 1:
        return 1.0
    counts = range(hits, n + 1)
    whole = math.lgamma(n + 1)
    return math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(p) + (n - k) * math.log1p(-p)
        )
        for k in counts
    )  # fmt: skip


def _counts(network: Network, draw: Draw, n: int) -> npt.NDArray[np.int64]:
    """How often each class is the answer under noise: [K]."""
    counts = np.zeros(network.classes, dtype=np.int64)
    for first in range(0, n, network.batch):
        answers = network.logits(draw(min(network.batch, n - first))).argmax(axis=1)
        counts += np.bincount(answers, minlength=network.classes)
    return counts
