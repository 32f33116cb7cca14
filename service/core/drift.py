"""Whether a window of answers is still like those that a model was calibrated on.

Five statistics compare the window with the bundle's reference. What they may reach is learned
from windows drawn from the reference itself, so the rate of false alarms is known for any
number of classes, images and window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from models.reference import BINS, Reference
from service.core import ood

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FALSE_ALARMS = 0.01
"""The share of undisturbed windows in which any statistic exceeds its threshold, at most."""

_DRAWS = 5000
"""Ten of them lie above each threshold."""

_AXES = 16
"""Directions in which embeddings are compared: few enough for a mean of a hundred images."""

_VARYING = 1e-6
"""What varies less, relative to the widest direction, is rounding."""

_BLOCK = 4096
"""Embeddings that are made float64 at a time."""


class Statistic(StrEnum):
    """What is compared, and how."""

    PREDICTED_PSI = "predicted_psi"
    PREDICTED_JS = "predicted_jensen_shannon"
    CONFIDENCE_PSI = "confidence_psi"
    CONFIDENCE_JS = "confidence_jensen_shannon"
    EMBEDDING = "embedding_mahalanobis"


@dataclass(frozen=True, eq=False)
class Window:
    """The n answers that are judged together.

    Attributes:
        predicted: [n], indices of the most probable classes.
        confidence: [n], their calibrated probabilities, in [0, 1].
        embedding: [n, D], finite.
    """

    predicted: Ints
    confidence: Floats
    embedding: npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Baseline:
    """What windows of one size are compared with.

    Attributes:
        predicted: [K], the reference's share of each class.
        confidence: [20], of each bin of confidences.
        mean: [D], of the embeddings.
        axes: [D, d], to their principal directions, in standard deviations.
        thresholds: what each statistic exceeds on few undisturbed windows.
    """

    predicted: Floats
    confidence: Floats
    mean: Floats
    axes: Floats
    thresholds: Mapping[Statistic, float]


def shares(counts: npt.NDArray[np.number]) -> Floats:
    """Counts [K] as positive shares: half a case is added to each (Jeffreys' prior)."""
    cases = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(cases / cases.sum())


def population_stability_index(expected: Floats, found: Floats) -> float:
    """Kullback and Leibler's divergence both ways, in nats, of positive shares [K].

    Siddiqi 2006, "Credit risk scorecards", chapter 9; from 0 on, 0 where they are equal.
    """
    return float(((found - expected) * np.log(found / expected)).sum())


def jensen_shannon(expected: Floats, found: Floats) -> float:
    """The divergence of positive shares [K] from their average, in bits: from 0 to 1.

    Lin 1991, "Divergence measures based on the Shannon entropy", equation 3.3 at equal weights.
    """
    middle = (expected + found) / 2
    apart = expected * np.log2(expected / middle) + found * np.log2(found / middle)
    return float(apart.sum() / 2)


def baseline(reference: Reference, size: int) -> Baseline:
    """Learn from the reference what undisturbed windows look like; takes about a second.

    Both the window and the reference are drawn anew, for the reference is a sample too.

    Args:
        reference: the bundle's.
        size: n, images in a window.
    """
    random = np.random.default_rng(0)
    mean, axes, places = _principal(reference.embedding)
    drawn = [
        {
            **_divergences(*_drawn(reference.predicted, size, random), "predicted"),
            **_divergences(*_drawn(reference.confidence, size, random), "confidence"),
            Statistic.EMBEDDING: _drawn_distance(places, size, random),
        }
        for _ in range(_DRAWS)
    ]
    level = 1 - FALSE_ALARMS / len(Statistic)
    return Baseline(
        shares(reference.predicted),
        shares(reference.confidence),
        mean,
        axes,
        {each: float(np.quantile([values[each] for values in drawn], level)) for each in Statistic},
    )


def compare(window: Window, baseline: Baseline) -> dict[Statistic, float]:
    """Each statistic of a window of the baseline's size."""
    predicted = np.bincount(window.predicted, minlength=len(baseline.predicted))
    confidence, _ = np.histogram(window.confidence, BINS, (0, 1))
    moved = (window.embedding.mean(axis=0, dtype=np.float64) - baseline.mean) @ baseline.axes
    return {
        **_divergences(baseline.predicted, shares(predicted), "predicted"),
        **_divergences(baseline.confidence, shares(confidence), "confidence"),
        Statistic.EMBEDDING: float(np.linalg.norm(moved)),
    }


def _divergences(expected: Floats, found: Floats, what: str) -> dict[Statistic, float]:
    return {
        Statistic(f"{what}_psi"): population_stability_index(expected, found),
        Statistic(f"{what}_jensen_shannon"): jensen_shannon(expected, found),
    }


def _drawn(counts: Ints, size: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """A reference and a window, both from the reference's distribution."""
    expected = shares(counts)
    return (
        shares(random.multinomial(int(counts.sum()), expected)),
        shares(random.multinomial(size, expected)),
    )


def _drawn_distance(places: Floats, size: int, random: np.random.Generator) -> float:
    """How far the mean of a drawn window lies from that of a drawn reference."""
    window = places[random.integers(len(places), size=size)].mean(axis=0)
    # The mean of a whole reference is all but normal, and drawing that would take long.
    error = random.normal(scale=len(places) ** -0.5, size=places.shape[1])
    return float(np.linalg.norm(window - error))


def _principal(embedding: npt.NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
    """The mean, the axes and the places on them of embeddings [M, D], as in `Baseline`.

    Of the directions in which they vary, the widest are kept; a bounded number of images
    chooses them.
    """
    mean = embedding.mean(axis=0, dtype=np.float64)
    _, lengths, directions = np.linalg.svd(
        embedding[ood.representatives(len(embedding))] - mean, full_matrices=False
    )
    kept = directions[:_AXES][lengths[:_AXES] > _VARYING * lengths[0]].T
    blocks = range(0, len(embedding), _BLOCK)
    places = np.concatenate([(embedding[row : row + _BLOCK] - mean) @ kept for row in blocks])
    deviations = places.std(axis=0)
    return mean, kept / deviations, places / deviations
