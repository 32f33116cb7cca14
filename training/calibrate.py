"""Fit, on images that nothing else was fitted on, what makes a bundle's answers honest."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from models.errors import DataError
from models.manifest import Calibration, Conformal, Decision, Lac, OutOfDistribution, Raps
from service.core import ood
from service.core.classification import softmax
from service.core.conformal import lac_scores, raps_scores
from service.core.ood import Compared
from training.evaluate import require_finite

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
Scalar = TypeVar("Scalar", bound=np.generic)

TEMPERATURES = (0.05, 20.0)
COVERAGES = (0.8, 0.9, 0.95)
PENALTIES = (0.001, 0.01, 0.1, 0.2, 0.5)
ACCEPTED_ACCURACY = 0.95
FAMILIAR_PERCENTILE = 99.0

_NEIGHBOUR = 1
_TUNING = 5
"""One calibration image in so many chooses the parameters of RAPS."""


def fit(
    logits: npt.NDArray[np.floating],
    labels: Ints,
    embedding: npt.NDArray[np.floating],
    rows: Ints,
    groups: Ints,
) -> Calibration:
    """All that is fitted.

    A trained network is calibrated on images that neither taught nor chose it; a probe on all
    images, each from a probe that has not seen it. The probe that serves has seen more images
    than those, so what is promised holds for slightly worse answers than it gives.

    Args:
        logits: [N, K], of images that were not learned from.
        labels: [N], indices of their true classes.
        embedding: [M, D], of all images that were learned from or calibrate.
        rows: [N], which of these the logits are of.
        groups: [M], which of them are near-duplicates of each other.

    Raises:
        DataError: there are no images, or none but near-duplicates of one.
        TrainingError: a logit is not finite.
    """
    temperature = fit_temperature(logits, labels)
    probabilities = softmax(logits, temperature)
    return Calibration(
        temperature=temperature,
        conformal=fit_conformal(probabilities, labels),
        ood=fit_ood(logits, embedding, rows, groups),
        decision=fit_decision(probabilities, labels),
    )


def fit_temperature(logits: npt.NDArray[np.floating], labels: Ints) -> float:
    """The temperature whose probabilities make the labels most likely.

    Guo et al. 2017, "On calibration of modern neural networks", section 4.2. Where every answer
    is right, the likelihood would only grow as T falls, and every answer become certain. So one
    more image counts whose label says nothing, equally likely of each class: of N right answers
    one expects (N + 1) / (N + 2) (Laplace's rule of succession; Platt 1999, section 2.2, smooths
    his targets so). The mean negative log-likelihood is convex in 1/T; its derivative's root is
    found between 1/20 and 1/0.05. Outside there is no need to look. 20 is returned where the
    logits are no better than chance.

    Args:
        logits: [N, K].
        labels: [N], indices of the true classes.

    Returns:
        The temperature, in `TEMPERATURES`; a value at a bound is a reason to warn.

    Raises:
        DataError: there are no images.
        TrainingError: a logit is not finite.
    """
    require_finite(logits)
    exact = np.asarray(logits, dtype=np.float64)
    weight = 1 / (1 + len(labels))
    own = (1 - weight) * _of(exact, labels) + weight * exact.mean(axis=1)

    def slope(inverse: float) -> float:
        """Of the mean negative log-likelihood, by 1/T; it never falls."""
        expected = np.einsum("nk,nk->n", softmax(exact, 1 / inverse), exact)
        return float((expected - own).mean())

    lowest, highest = TEMPERATURES
    if slope(1 / lowest) <= 0:
        return lowest
    if slope(1 / highest) >= 0:
        return highest
    return 1 / float(brentq(slope, 1 / highest, 1 / lowest, xtol=1e-9))


def calibrated_loss(logits: npt.NDArray[np.floating], labels: Ints) -> float:
    """The log loss in nats after temperature scaling: an arbitrary scale does not decide."""
    return float(calibrated_losses(logits, labels).mean())


def calibrated_losses(logits: npt.NDArray[np.floating], labels: Ints) -> Floats:
    """Each image's part in it: [N]."""
    probabilities = softmax(logits, fit_temperature(logits, labels))
    of_truth = probabilities[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.maximum(of_truth, np.finfo(np.float64).tiny)))


def fit_conformal(
    probabilities: Floats,
    labels: Ints,
    coverages: Sequence[float] = COVERAGES,
    *,
    seed: int = 0,
) -> Conformal:
    """The thresholds of both kinds of prediction sets.

    A new image's set holds the true class with at least the promised probability, over the
    draw of the calibration images and the new one (Angelopoulos et al. 2021, theorem 1). A
    random fifth of the images chooses the parameters of RAPS, as they must not see the
    images that its thresholds are fitted on; LAC has no parameters and takes all.

    Args:
        probabilities: [N, K], at the temperature that will serve.
        labels: [N], indices of the true classes.
        coverages: each in (0, 1), rising.
        seed: of the fifth.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    tuning, fitting = np.split(order, [len(labels) // _TUNING])
    penalty, k_reg = _choose_raps(probabilities[tuning], labels[tuning], coverages)
    lac = lac_scores(probabilities)
    raps = raps_scores(probabilities[fitting], penalty=penalty, k_reg=k_reg)
    return Conformal(
        lac=Lac(thresholds=_thresholds(_of(lac, labels), coverages)),
        raps=Raps(
            thresholds=_thresholds(_of(raps, labels[fitting]), coverages),
            penalty=penalty,
            k_reg=k_reg,
        ),
    )


def fit_decision(probabilities: Floats, labels: Ints) -> Decision:
    """What to accept without a human look, until the user says otherwise.

    The probability is the least above which, with all more probable ones, 19 of 20 answers are to
    be expected right: of n with r right one expects (r + 1) / (n + 2) (Laplace's rule of
    succession, as for the temperature), so fewer than 18 images never suffice. Where no answers
    do it is 1, and none is accepted. One image in 100 that belongs is reviewed for being unlike the
    others.

    Args:
        probabilities: [N, K], at the temperature that will serve.
        labels: [N], indices of the true classes.
    """
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = probabilities.argmax(axis=1)[order] == labels[order]
    expected = (np.cumsum(right) + 1) / (np.arange(len(right)) + 3)
    (enough,) = np.nonzero(expected >= ACCEPTED_ACCURACY)
    least = 1.0
    if len(enough):
        # Rounded down, or an answer with this very probability might not be accepted.
        least = min(math.floor(1000 * probabilities.max(axis=1)[order][enough[-1]]), 999) / 1000
    return Decision(min_probability=least, max_ood_percentile=FAMILIAR_PERCENTILE)


def quantile(scores: npt.NDArray[np.number], coverage: float, *, largest: float) -> float:
    """The score that a new one does not exceed with probability `coverage`.

    It is the ceil((n + 1) * coverage)-th smallest: the new score is equally likely to take
    any place among the others (Vovk et al. 2005, "Algorithmic learning in a random world").

    Args:
        scores: [n], of the true classes.
        coverage: in (0, 1).
        largest: no score is larger; returned where n is too small for the coverage, so that
            every class is in every set.
    """
    # A product that rounds to just above a whole number must not cost an image.
    place = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return float(np.sort(scores)[place - 1]) if place <= len(scores) else float(largest)


def coverage_reached(sets: npt.NDArray[np.bool_], labels: Ints) -> float:
    """The share of sets [N, K] that hold their true class, of `labels` [N]."""
    return float(_of(sets, labels).mean())


def fit_ood(
    logits: npt.NDArray[np.floating],
    embedding: npt.NDArray[np.floating],
    rows: Ints,
    groups: Ints,
) -> OutOfDistribution:
    """Where the scores of images lie that belong to the distribution.

    The nearest neighbour counts. In Sun et al. 2022, k grows with the images compared with, to
    one in a thousand; of those that a service compares with, that is one.

    Args:
        logits: [N, K], of images that the head was not fitted on.
        embedding: [M, D], of the images that the bundle will compare others with.
        rows: [N], which of them the logits are of.
        groups: [M], which of them are near-duplicates of each other: none is the other's
            neighbour, for a new image will have no such near one either.

    Raises:
        DataError: there are no images, or none that is no near-duplicate of the others.
        TrainingError: a logit is not finite.
    """
    require_finite(logits)
    if (groups == groups[:1]).all():
        raise DataError("there are no images to compare others with; give more images")
    compared = ood.compared(embedding)
    distances = [
        ood.nearest_neighbour(embedding[row], others, _NEIGHBOUR)
        for row in rows
        if len((others := _others(compared, groups, row)).rows)
    ]
    return OutOfDistribution(
        energy=_percentiles([ood.energy(row) for row in logits]),
        nearest_neighbour=_percentiles(distances),
        k=_NEIGHBOUR,
    )


def _others(compared: Compared, groups: Ints, row: int) -> Compared:
    """Those of the images compared with that are not of an image's own group."""
    foreign = groups[compared.rows] != groups[row]
    if foreign.all():
        return compared
    return replace(
        compared,
        rows=compared.rows[foreign],
        vectors=compared.vectors[foreign],
        places=compared.places[foreign],
    )


def _choose_raps(
    probabilities: Floats, labels: Ints, coverages: Sequence[float]
) -> tuple[float, int]:
    """Lambda and k_reg by the rules of Angelopoulos et al. 2021, in its appendix.

    k_reg is the rank that holds the true class with the largest coverage; lambda the one of
    the paper's whose sets, over all coverages together, hold the fewest classes.
    """
    classes = probabilities.shape[1]
    ranks = 1 + (probabilities > _of(probabilities, labels)[:, np.newaxis]).sum(axis=1)
    k_reg = int(quantile(ranks, max(coverages), largest=classes))

    def size(penalty: float) -> int:
        scores = raps_scores(probabilities, penalty=penalty, k_reg=k_reg)
        thresholds = _thresholds(_of(scores, labels), coverages)
        return sum(int((scores <= threshold).sum()) for threshold in thresholds.values())

    return min(PENALTIES, key=size), k_reg


def _thresholds(scores: Floats, coverages: Sequence[float]) -> dict[str, float]:
    """By coverage, from the true classes' scores [n].

    No score is larger than 1 where n is too small: there were too few images for k_reg too,
    and no rank is penalised.
    """
    return {f"{c:g}": quantile(scores, c, largest=1) for c in coverages}


def _of(table: npt.NDArray[Scalar], labels: Ints) -> npt.NDArray[Scalar]:
    """The true class's entry of each row of [N, K]."""
    return table[np.arange(len(labels)), labels]


def _percentiles(scores: Sequence[float]) -> tuple[float, ...]:
    return tuple(np.quantile(scores, np.linspace(0, 1, 101)).tolist())
