"""How good logits are on validation images, and which of two outcomes is the better."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import recall_score

from training.calibrate import calibrated_loss, calibrated_losses
from training.recipe import Metric


@dataclass(frozen=True)
class Score:
    """What validation images say of a network.

    `loss` is the log loss in nats after temperature scaling, which a margin's arbitrary scale
    does not change; `accuracy` the share that is right, `balanced_accuracy` the mean of the
    classes' shares. Of weights that have diverged: infinite, 0 and 0.
    """

    loss: float
    accuracy: float
    balanced_accuracy: float

    def __str__(self) -> str:
        return (
            f"{self.accuracy:.1%} right (balanced {self.balanced_accuracy:.1%}, "
            f"log loss {self.loss:.3f})"
        )

    def by(self, metric: Metric) -> tuple[float, float]:
        """The larger, the better; among equals the loss decides."""
        first = {
            Metric.LOG_LOSS: -self.loss,
            Metric.ACCURACY: self.accuracy,
            Metric.BALANCED_ACCURACY: self.balanced_accuracy,
        }
        return first[metric], -self.loss


DIVERGED = Score(math.inf, 0.0, 0.0)


def score(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> Score:
    """The score of logits [N, K] of images of the classes `labels` [N]."""
    if not np.isfinite(logits).all():
        return DIVERGED
    predicted = logits.argmax(axis=1)
    present = np.unique(labels)
    balanced = recall_score(labels, predicted, labels=present, average="macro", zero_division=0)
    right = float(np.mean(predicted == labels))
    return Score(calibrated_loss(logits.astype(np.float64), labels), right, float(balanced))


def shares(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.int64], metric: Metric
) -> npt.NDArray[np.float64]:
    """Each image's part in what a metric looks at: [N], the larger, the better.

    Args:
        logits: [N, K], finite.
        labels: [N].
        metric: their mean is minus the log loss, the accuracy or the balanced accuracy.
    """
    if metric is Metric.LOG_LOSS:
        return -calibrated_losses(logits.astype(np.float64), labels)
    right: npt.NDArray[np.float64] = np.equal(logits.argmax(axis=1), labels).astype(np.float64)
    if metric is Metric.ACCURACY:
        return right
    classes, counts = np.unique_counts(labels)
    return np.asarray(
        right * len(labels) / (len(classes) * counts[np.searchsorted(classes, labels)])
    )
