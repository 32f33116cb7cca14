"""What each image to learn from is for, where the network is trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import DataError
from training.data.dataset import Split
from training.data.preparation import Prepared
from training.probe import Fold, Labels

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Partition:
    """Rows of the images that are not held out, each in one part at most.

    `training` fits the weights. `validation` chooses the epoch, and between the network and the
    probe. `calibration` has chosen nothing: what chose the network flatters it, and prediction
    sets would promise too much (Angelopoulos et al. 2021, theorem 1, needs images that the
    model does not depend on).
    """

    training: Rows
    validation: Rows
    calibration: Rows


def divided(data: Prepared, fold: Fold, *, seed: int) -> Partition:
    """The `partition` of a data set's images to learn from."""
    return partition(
        data.learning_splits, data.learning_labels, data.learning_groups, fold, seed=seed
    )


def partition(
    splits: Sequence[Split | None], labels: Labels, groups: Labels, fold: Fold, *, seed: int
) -> Partition:
    """The user's own parts where there are any; else a fold is halved.

    Near-duplicates of what chooses or calibrates are not learned from, wherever the user has put
    them.

    Args:
        splits: [N], what the user says each image is for.
        labels: int [N].
        groups: int [N], the same for images that are near-duplicates.
        fold: rows to learn from, and rows to validate and calibrate on, from `probe.folds`.
        seed: of the choice.

    Raises:
        DataError: a part is empty, or has no image of a class to learn.
    """
    training, validation, calibration = (
        np.flatnonzero([each is split for each in splits])
        for split in (Split.TRAIN, Split.VALIDATION, Split.CALIBRATION)
    )
    if not len(validation):
        training, validation = (np.setdiff1d(side, calibration) for side in fold)
    if not len(calibration):
        validation, calibration = _halves(validation, labels, groups, seed)
    calibration = _apart(calibration, validation, groups)
    training = _apart(training, np.concatenate([validation, calibration]), groups)
    if not len(validation) or not len(calibration):
        raise DataError(
            "there are too few different images to choose a network by some and calibrate it on "
            "others; --strategy probe needs fewer"
        )
    if len(missing := np.setdiff1d(labels, labels[training])):
        raise DataError(
            f"{len(missing)} of the classes have no image to train the network on, apart from "
            "near-duplicates of validation and calibration images"
        )
    return Partition(training, validation, calibration)


def _halves(rows: Rows, labels: Labels, groups: Labels, seed: int) -> tuple[Rows, Rows]:
    """Each class dealt to both in turn, near-duplicates together.

    A class may have a single image here, which scikit-learn's splitters do not take.
    """
    shuffled = np.random.default_rng(seed).permutation(rows)
    _, first = np.unique(groups[shuffled], return_index=True)
    leaders = shuffled[np.sort(first)]
    dealt = leaders[np.argsort(labels[leaders], kind="stable")]
    ours = np.isin(groups[rows], groups[dealt[::2]])
    return rows[ours], rows[~ours]


def _apart(rows: Rows, others: Rows, groups: Labels) -> Rows:
    """Those that are no near-duplicates of others."""
    return rows[~np.isin(groups[rows], groups[others])]
