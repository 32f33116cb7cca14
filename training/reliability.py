"""Whether confidence can be believed: the calibration error, and the risk at each coverage.

Confidence is the probability of the predicted class.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 15
DRAWS = 1000

_BLOCK = 2**22
"""Random numbers held at a time: 32 MiB."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Images of similar confidence: its mean, the share of right answers, how many they are."""

    confidence: float
    accuracy: float
    count: int


def reliability_bins(confidence: Floats, correct: Bools) -> tuple[ReliabilityBin, ...]:
    """The bars of a reliability diagram, least confident first.

    There are 15 bins of equal mass (Nguyen & O'Connor 2015, "Posterior calibration and
    exploratory analysis for natural language processing models"). Equal confidences share a
    bin, so there may be fewer bins, some larger than others.

    Args:
        confidence: [N], in [0, 1]; N at least 1.
        correct: [N], whether the predicted class is the true one.
    """
    order = np.argsort(confidence, kind="stable")
    starts = _bin_starts(confidence[order])
    counts = np.diff(starts, append=len(order))
    means = np.add.reduceat(confidence[order], starts) / counts
    accuracies = np.add.reduceat(correct[order].astype(np.float64), starts) / counts
    return tuple(
        ReliabilityBin(float(mean), float(accuracy), int(count))
        for mean, accuracy, count in zip(means, accuracies, counts, strict=True)
    )


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """The mean over images of |accuracy - confidence| of their bin, in [0, 1].

    Guo et al. 2017, "On calibration of modern neural networks", equation 3, with bins of
    equal mass instead of equal width: the estimate is less biased (Roelofs et al. 2022,
    "Mitigating bias in calibration error estimation").
    """
    total = sum(part.count for part in bins)
    return sum(part.count * abs(part.accuracy - part.confidence) for part in bins) / total


def ece_of_calibrated(confidence: Floats, *, seed: int = 0) -> float:
    """The calibration error that a perfectly calibrated model exceeds one time in twenty.

    Few images make the error large by chance alone. Here 1000 sets of answers are drawn that
    are right as often as the confidences say (consistency resampling: Bröcker & Smith 2007,
    "Increasing the reliability of reliability diagrams"; as a test: Vaicenavicius et al.
    2019, "Evaluating model calibration in classification"). An error above the 95th
    percentile of theirs is evidence of miscalibration.

    Args:
        confidence: [N], in [0, 1]; N at least 1.
        seed: of the draws.
    """
    ordered = np.sort(confidence)
    starts = _bin_starts(ordered)
    expected = np.add.reduceat(ordered, starts)
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // len(ordered))
    errors = []
    for first in range(0, DRAWS, rows):
        correct = generator.random((min(rows, DRAWS - first), len(ordered))) < ordered
        right = np.add.reduceat(correct, starts, axis=1, dtype=np.int64)
        errors.append(np.abs(right - expected).sum(axis=1) / len(ordered))
    return float(np.quantile(np.concatenate(errors), 0.95))


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """The error rate among the most confident answers, for each number of them.

    `coverage` [N] is the share of images answered, rising from 1/N to 1; `risk` [N] the
    share of wrong answers among them; `aurc` the mean of `risk`, in [0, 1].
    """

    coverage: Floats
    risk: Floats
    aurc: float


def risk_coverage(confidence: Floats, correct: Bools) -> RiskCoverage:
    """What it brings to answer only where the model is confident.

    Geifman & El-Yaniv 2017, "Selective classification for deep neural networks", section 2.
    Equal confidences cannot be told apart: each counts as wrong as they are on average.

    Args:
        confidence: [N], any score that rises with trust; N at least 1.
        correct: [N], whether the predicted class is the true one.
    """
    _, group, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong = np.bincount(group, weights=~correct) / counts
    answered = np.arange(1, len(confidence) + 1)
    risk = np.cumsum(np.repeat(wrong, counts)) / answered
    return RiskCoverage(answered / len(confidence), risk, float(risk.mean()))


def _bin_starts(ordered: Floats) -> npt.NDArray[np.intp]:
    """Where each bin of equal mass begins in rising confidences [N]."""
    even = np.arange(BINS) * len(ordered) // BINS
    return np.unique(np.searchsorted(ordered, ordered[even]))
