"""A random forest on the features: what a classifier that is not linear would add."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss

from training.probe import Floats, Fold, Labels

TREES = 200


@dataclass(frozen=True)
class Forest:
    """How a forest of `trees` does on images that it has not seen.

    `loss` is the log loss in nats of its votes, `accuracy` the share that is right.
    """

    trees: int
    loss: float
    accuracy: float


def compare(features: Floats, labels: Labels, splits: Sequence[Fold], *, seed: int) -> Forest:
    """Fit a forest in each fold (Breiman 2001); it cannot be a head, so none is kept.

    Args:
        features: [N, D].
        labels: int [N], each of 0 … K - 1 in every fold's rows to fit on.
        splits: from `probe.folds`, together judging each row once.
        seed: of the forest.
    """
    held_out = np.zeros((len(labels), int(labels.max()) + 1))
    for inside, outside in splits:
        forest = RandomForestClassifier(TREES, n_jobs=-1, random_state=seed)
        forest.fit(features[inside], labels[inside])
        held_out[outside] = forest.predict_proba(features[outside])
    right = float((held_out.argmax(axis=1) == labels).mean())
    return Forest(TREES, float(log_loss(labels, held_out)), right)
