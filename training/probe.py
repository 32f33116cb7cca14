"""A linear head on frozen features, its regularisation chosen by cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from models.errors import DataError
from training.recipe import Metric
from training.score import Score, score

FOLDS = 5

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]
Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Rows to fit on, rows to judge on."""


class Classifier(StrEnum):
    """The linear classifiers of scikit-learn that a head can be."""

    LOGISTIC = "logistic"
    SVM = "svm"


_LEAST_SPREAD = 0.1
"""Of the median feature's standard deviation: no feature is taken to vary less."""

STRENGTHS = {
    Classifier.LOGISTIC: (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0),
    Classifier.SVM: (1e-5, 1e-4, 1e-3, 1e-2),
}
"""Inverse regularisation (scikit-learn's C) on standardised features, weakest fit first."""


@dataclass(frozen=True)
class LinearHead:
    """logits = features @ weight.T + bias; `weight` is float64 [K, D], `bias` [K]."""

    weight: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]

    def logits(self, features: Floats) -> npt.NDArray[np.float64]:
        """Float64 [N, K] from features [N, D]."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float64)


@dataclass(frozen=True)
class Probe:
    """A head fitted on all images, and what cross-validation says of heads like it.

    `held_out` [N, K] are logits of each image from a head that has not seen it. So they can
    select and calibrate while no image is kept from the head itself, as scikit-learn's
    CalibratedClassifierCV does without an ensemble. `score` is theirs; `even` says whether all
    classes counted alike, however few images they have.
    """

    classifier: Classifier
    strength: float
    head: LinearHead
    held_out: npt.NDArray[np.float64]
    score: Score
    even: bool = False

    @property
    def loss(self) -> float:
        """The log loss."""
        return self.score.loss

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return self.score.accuracy


def folds(labels: Labels, groups: Labels, *, seed: int) -> list[Fold]:
    """Stratified folds that keep the images of a group on one side.

    Args:
        labels: int [N].
        groups: int [N], the same for images that are near-duplicates.
        seed: of the shuffle.

    Raises:
        DataError: a class has too few images to be in two folds.
    """
    fewest = int(np.unique_counts(labels).counts.min())
    if fewest < 2:  # noqa: PLR2004 - one to fit, one to judge
        raise DataError("cross-validation needs at least two training images of each class")
    splitter = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    found = list(splitter.split(labels, labels, groups))
    classes = len(np.unique(labels))
    if any(len(np.unique(labels[fit])) < classes for fit, _ in found):
        raise DataError("a class has all its training images in one group of near-duplicates")
    return found


def ranked(
    features: Floats,
    labels: Labels,
    splits: Sequence[Fold],
    *,
    even: bool = False,
    metric: Metric = Metric.LOG_LOSS,
) -> list[Probe]:
    """A probe of each classifier, the best first; arguments as for `fit`."""
    found = [
        fit(features, labels, classifier, splits, even=even, metric=metric)
        for classifier in Classifier
    ]
    return sorted(found, key=lambda each: each.score.by(metric), reverse=True)


def fit(
    features: Floats,
    labels: Labels,
    classifier: Classifier,
    splits: Sequence[Fold],
    *,
    even: bool = False,
    metric: Metric = Metric.LOG_LOSS,
) -> Probe:
    """Fit a head on all images, with the strength that predicts held-out images best.

    Args:
        features: [N, D].
        labels: int [N], each of 0 … K - 1 at least once.
        classifier: which.
        splits: from `folds`.
        even: whether all classes count alike, however few images they have.
        metric: says which strength is the best.
    """
    strengths = STRENGTHS[classifier]
    held_out = np.zeros((len(strengths), len(labels), int(labels.max()) + 1))
    for inside, outside in splits:
        heads = _path(features[inside], labels[inside], classifier, strengths, even=even)
        for row, head in enumerate(heads):
            held_out[row, outside] = head.logits(features[outside])
    scores = [score(logits, labels) for logits in held_out]
    best = max(range(len(strengths)), key=lambda row: scores[row].by(metric))
    *_, head = _path(features, labels, classifier, strengths[: best + 1], even=even)
    return Probe(classifier, strengths[best], head, held_out[best], scores[best], even)


def refit(found: Probe, features: Floats, labels: Labels) -> LinearHead:
    """The head that a probe's classifier and strength give on other images; see `fit`.

    It walks through the weaker strengths too: where a fit starts decides where it stops.
    """
    strengths = STRENGTHS[found.classifier]
    walked = strengths[: strengths.index(found.strength) + 1]
    *_, head = _path(features, labels, found.classifier, walked, even=found.even)
    return head


def held_out(
    found: Probe, features: Floats, served: Floats, labels: Labels, splits: Sequence[Fold]
) -> npt.NDArray[np.float64]:
    """What heads like a probe's make of other features of the images that they have not seen.

    Args:
        found: whose classifier and strength it is.
        features: [N, D], what the heads are fitted on.
        served: [N, D], what they are shown of the same images.
        labels: int [N].
        splits: from `folds`.

    Returns:
        Logits [N, K].
    """
    logits = np.zeros_like(found.held_out)
    for inside, outside in splits:
        logits[outside] = refit(found, features[inside], labels[inside]).logits(served[outside])
    return logits


def _path(
    features: Floats,
    labels: Labels,
    classifier: Classifier,
    strengths: Sequence[float],
    *,
    even: bool,
) -> list[LinearHead]:
    """A head for each strength; each fit starts from the one before."""
    scaler = StandardScaler().fit(features)
    # What hardly varies among these images may vary much among others, and would outweigh all.
    scaler.scale_ = np.maximum(scaler.scale_, _LEAST_SPREAD * np.median(scaler.scale_))
    scaled = scaler.transform(features)
    model = _MODELS[classifier](class_weight="balanced" if even else None)
    heads = []
    for strength in strengths:
        model.set_params(C=strength)
        model.fit(scaled, labels)
        heads.append(_unscaled(model.coef_, model.intercept_, scaler))
    return heads


_MODELS: dict[Classifier, Any] = {
    Classifier.LOGISTIC: partial(LogisticRegression, warm_start=True, max_iter=1000, tol=1e-4),
    # liblinear's own tolerance: scikit-learn's takes ten times as long and predicts the same
    Classifier.SVM: partial(LinearSVC, tol=0.1, max_iter=10_000, random_state=0),
}


def _unscaled(weight: Floats, bias: Floats, scaler: StandardScaler) -> LinearHead:
    """The head of unscaled features; two classes get a row each."""
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    unscaled = np.asarray(weight / scaler.scale_, dtype=np.float64)
    return LinearHead(unscaled, np.asarray(bias - unscaled @ scaler.mean_, dtype=np.float64))
