"""How good a classifier's answers are on images that it has not learned from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import DataError, TrainingError
from service.core.classification import softmax
from training import reliability
from training.reliability import Floats, ReliabilityBin, RiskCoverage

Ints = npt.NDArray[np.integer]

TOP = 5
MISTAKES = 12


@dataclass(frozen=True)
class ClassScore:
    """One class: `precision`, `recall` and `f1` in [0, 1], 0 where they are 0/0.

    `support` is the number of its images.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: the image's index, the true and the predicted class, its probability."""

    index: int
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What N images of K classes say of a classifier.

    Attributes:
        top1: share of images whose most probable class is the true one.
        top5: share of images whose true class is among the five most probable; None where
            there are no more than five.
        balanced_accuracy: the mean recall of the classes that have images (Brodersen et al.
            2010, "The balanced accuracy and its posterior distribution").
        classes: [K], in the order of the labels.
        confusion: int64 [K, K], images by true class (row) and predicted class (column).
        mistakes: the wrong answers with the highest probabilities, at most 12.
        ece: see `reliability.expected_calibration_error`.
        ece_of_calibrated: what `ece` exceeds by chance one time in twenty.
        reliability: the bins of `ece`, for a diagram.
        risk_coverage: see `reliability.risk_coverage`.
    """

    top1: float
    top5: float | None
    balanced_accuracy: float
    classes: tuple[ClassScore, ...]
    confusion: npt.NDArray[np.int64]
    mistakes: tuple[Mistake, ...]
    ece: float
    ece_of_calibrated: float
    reliability: tuple[ReliabilityBin, ...]
    risk_coverage: RiskCoverage

    @property
    def metrics(self) -> dict[str, float]:
        """Every number that stands for itself, by name, for the manifest."""
        named = {
            "top1": self.top1,
            "top5": self.top5,
            "balanced_accuracy": self.balanced_accuracy,
            "ece": self.ece,
            "ece_of_calibrated": self.ece_of_calibrated,
            "aurc": self.risk_coverage.aurc,
        }
        return {name: value for name, value in named.items() if value is not None}


def evaluate(
    logits: npt.NDArray[np.floating],
    labels: Ints,
    names: tuple[str, ...],
    *,
    temperature: float = 1.0,
) -> Evaluation:
    """Compare answers with the truth.

    Args:
        logits: [N, K].
        labels: [N], indices of the true classes.
        names: [K], of the classes.
        temperature: divides the logits, as in serving.

    Raises:
        DataError: there are no images.
        TrainingError: a logit is not finite.
    """
    require_finite(logits)
    labels = np.asarray(labels, dtype=np.int64)
    probabilities = softmax(logits, temperature)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = predicted == labels
    confusion = _confusion(labels, predicted, len(names))
    support = confusion.sum(axis=1)
    recall = _ratio(confusion.diagonal(), support)
    bins = reliability.reliability_bins(confidence, correct)
    return Evaluation(
        top1=float(correct.mean()),
        top5=_top(logits, labels) if len(names) > TOP else None,
        balanced_accuracy=float(recall[support > 0].mean()),
        classes=_class_scores(confusion, names),
        confusion=confusion,
        mistakes=_mistakes(confidence, predicted, labels, names),
        ece=reliability.expected_calibration_error(bins),
        ece_of_calibrated=reliability.ece_of_calibrated(confidence),
        reliability=bins,
        risk_coverage=reliability.risk_coverage(confidence, correct),
    )


def require_finite(logits: npt.NDArray[np.floating]) -> None:
    """Refuse logits [N, K] that nothing can be measured or fitted with.

    Raises:
        DataError: there are no images.
        TrainingError: a logit is not finite.
    """
    if not len(logits):
        raise DataError("there are no held-out images; give more images or larger splits")
    broken = np.count_nonzero(~np.isfinite(logits).all(axis=1))
    if broken:
        raise TrainingError(
            f"the logits of {broken} of {len(logits)} images are not finite: the weights have "
            "diverged; train again with a lower learning rate"
        )


def _top(logits: npt.NDArray[np.floating], labels: Ints) -> float:
    """The share of images with fewer than five classes before the true one; ties by index."""
    own = np.take_along_axis(logits, labels[:, np.newaxis], axis=1)
    earlier = np.arange(logits.shape[1]) < labels[:, np.newaxis]
    before = (logits > own) | ((logits == own) & earlier)
    return float((before.sum(axis=1) < TOP).mean())


def _confusion(labels: Ints, predicted: Ints, classes: int) -> npt.NDArray[np.int64]:
    cells = np.bincount(labels * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def _class_scores(
    confusion: npt.NDArray[np.int64], names: tuple[str, ...]
) -> tuple[ClassScore, ...]:
    right, support, answers = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _ratio(right, answers), _ratio(right, support)
    f1 = _ratio(2 * right, support + answers)
    columns = (precision.tolist(), recall.tolist(), f1.tolist(), support.tolist())
    return tuple(ClassScore(*row) for row in zip(names, *columns, strict=True))


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Floats:
    """`part / whole`, and 0 for 0/0."""
    return np.asarray(part / np.maximum(whole, 1))


def _mistakes(
    confidence: Floats, predicted: Ints, labels: Ints, names: tuple[str, ...]
) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    return tuple(
        Mistake(index, names[labels[index]], names[predicted[index]], float(confidence[index]))
        for index in surest.tolist()
    )
