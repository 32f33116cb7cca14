"""How far one answer can be trusted: what else it may be, how new it is, whether to accept it.

Everything comes from the bundle's calibration or from the request; what neither has is left
out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.errors import BundleInvalid, Unsupported
from models.manifest import Calibration, Lac, OutOfDistribution, Raps
from service.core import conformal, ood
from service.core.classification import Prediction
from service.core.ood import Compared

DEFAULT_COVERAGE = 0.9
"""Where the request names none and the bundle has it."""


class SetRule(StrEnum):
    """The ways to make prediction sets; `service.core.conformal` has both."""

    RAPS = "raps"
    LAC = "lac"


class Acceptance(StrEnum):
    """Whether an answer can go without a human look."""

    ACCEPT = "accept"
    REVIEW = "review"


@dataclass(frozen=True)
class Asked:
    """What a request wants to know; None leaves it to the bundle.

    Attributes:
        coverage: how often a set shall hold the true class.
        rule: how sets are made.
        min_probability: the least that is accepted, in [0, 1].
        max_ood_percentile: the most that is accepted, in [0, 100].
    """

    coverage: float | None = None
    rule: SetRule | None = None
    min_probability: float | None = None
    max_ood_percentile: float | None = None


class Place(NamedTuple):
    """A score of `service.core.ood`, and its percentile among those of calibration images."""

    score: float
    percentile: float


class Novelty(NamedTuple):
    """How little an image is like what is known.

    The distance decides: on photos of other things the energy of a sure linear classifier says
    little (docs/trust.md has figures).
    """

    nearest_neighbour: Place
    energy: Place


@dataclass(frozen=True, eq=False)
class Known:
    """What an image is compared with.

    Attributes:
        compared: the training images.
        k: which nearest neighbour counts.
        energy: [101], percentiles of the score on calibration images.
        nearest_neighbour: [101], likewise.
    """

    compared: Compared
    k: int
    energy: Sequence[float]
    nearest_neighbour: Sequence[float]


class Decision(NamedTuple):
    """A verdict, and why in words."""

    verdict: Acceptance
    reason: str


class Assessment(NamedTuple):
    """What is known of one answer; None where neither bundle nor request say enough."""

    coverage: float | None
    prediction_set: tuple[Prediction, ...] | None
    novelty: Novelty | None
    decision: Decision | None


@dataclass(frozen=True)
class Sets:
    """How sets are made: the rule, what it promises, and the largest score that it lets in."""

    rule: Lac | Raps
    coverage: float
    largest: float


@dataclass(frozen=True)
class Terms:
    """By what the answers to one request are assessed: its wishes, and the bundle's defaults."""

    sets: Sets | None
    min_probability: float | None
    max_ood_percentile: float | None


def terms(calibration: Calibration | None, asked: Asked) -> Terms | None:
    """Settle what a request leaves open; None for a bundle that is not calibrated.

    Raises:
        Unsupported: the bundle has not got what the request names.
    """
    if calibration is None:
        if asked != Asked():
            raise Unsupported(
                "this model is not calibrated: it has no prediction sets, no out-of-distribution "
                "score and no ground for a decision"
            )
        return None
    if asked.max_ood_percentile is not None and calibration.ood is None:
        raise Unsupported("this model has no out-of-distribution score")
    limits = calibration.decision
    return Terms(
        _sets(calibration, asked),
        _first(asked.min_probability, None if limits is None else limits.min_probability),
        _first(asked.max_ood_percentile, None if limits is None else limits.max_ood_percentile),
    )


def assess(classes: Iterable[Prediction], novelty: Novelty | None, terms: Terms) -> Assessment:
    """Assess one answer.

    Args:
        classes: the image's, most probable first, with calibrated probabilities; no more of them
            are taken than the set needs.
        novelty: from `place`; None where the bundle cannot tell.
        terms: from `terms`.
    """
    ranked = iter(classes)
    best = next(ranked)
    coverage, found = None, None
    if (sets := terms.sets) is not None:
        coverage = sets.coverage
        found = conformal.prediction_set(chain([best], ranked), sets.rule, sets.largest)
    return Assessment(coverage, found, novelty, _decide(best.probability, novelty, terms))


def known(embedding: npt.NDArray[np.floating], fitted: OutOfDistribution) -> Known:
    """Prepare, once for a bundle, what images are compared with.

    Args:
        embedding: [M, D], of the images that the model has learned from.
        fitted: the bundle's `calibration.ood`.

    Raises:
        BundleInvalid: there are fewer images than the neighbour that counts.
    """
    compared = ood.compared(embedding)
    if fitted.k > len(compared.rows):
        raise BundleInvalid(
            f"calibration.ood.k is {fitted.k}, of {len(compared.rows)} images compared"
        )
    return Known(
        compared,
        fitted.k,
        fitted.energy,
        fitted.nearest_neighbour,
    )


def place(
    logits: npt.NDArray[np.floating], embedding: npt.NDArray[np.floating], known: Known
) -> Novelty:
    """Where one image lies among those that the model was calibrated on.

    Args:
        logits: [K].
        embedding: [D].
        known: from `known`.
    """
    energy = ood.energy(logits)
    distance = ood.nearest_neighbour(embedding, known.compared, known.k)
    return Novelty(
        Place(distance, ood.percentile(distance, known.nearest_neighbour)),
        Place(energy, ood.percentile(energy, known.energy)),
    )


def _sets(calibration: Calibration, asked: Asked) -> Sets | None:
    if calibration.conformal is None:
        if asked.coverage is not None or asked.rule is not None:
            raise Unsupported("this model has no prediction sets")
        return None
    rule = getattr(calibration.conformal, asked.rule or SetRule.RAPS)
    coverage = asked.coverage
    if coverage is None:
        usual = f"{DEFAULT_COVERAGE:g}" in rule.thresholds
        coverage = DEFAULT_COVERAGE if usual else max(map(float, rule.thresholds))
    return Sets(rule, coverage, conformal.threshold(rule, coverage))


def _decide(probability: float, novelty: Novelty | None, terms: Terms) -> Decision | None:
    """Accept what is within every limit that there is; None where there is none."""
    kept, broken = [], []
    if (least := terms.min_probability) is not None:
        if least == 1:  # which a probability that is rounded might reach
            broken.append("no probability is high enough to accept: the least is 1")
        elif probability >= least:
            kept.append(f"the probability {probability:.3f} is at least {least:g}")
        else:
            broken.append(f"the probability {probability:.3f} is below {least:g}")
    if (most := terms.max_ood_percentile) is not None and novelty is not None:
        named = f"the out-of-distribution percentile {novelty.nearest_neighbour.percentile:.1f}"
        if novelty.nearest_neighbour.percentile <= most:
            kept.append(f"{named} is at most {most:g}")
        else:
            broken.append(f"{named} is above {most:g}")
    if broken:
        return Decision(Acceptance.REVIEW, "; ".join(broken))
    return Decision(Acceptance.ACCEPT, "; ".join(kept)) if kept else None


def _first(wish: float | None, default: float | None) -> float | None:
    return default if wish is None else wish
