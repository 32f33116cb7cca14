"""Which images a model learns from, and which judge it."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from models.errors import DataError
from training.data.dataset import Dataset, Sample, Split

TEST_SHARE = 5
"""One image in so many is held out where the user has set none apart."""


@dataclass(frozen=True)
class Assignment:
    """A data set whose every image has a split.

    `leaked` are the ids of training images that are left out of it, as near-duplicates of
    images that the user set apart.
    """

    dataset: Dataset
    leaked: tuple[str, ...]


def assign(dataset: Dataset, groups: npt.NDArray[np.int64], *, seed: int) -> Assignment:
    """Give every image a split, near-duplicates the same one.

    The user's splits stand, and images without one are for training; a validation split
    without a test split is the test. Where there is neither, a fifth of each class is held out
    of the images for training.

    Args:
        dataset: of readable images.
        groups: int [N], a number that near-duplicates share.
        seed: of the choice.

    Raises:
        DataError: a class has too few images to be on both sides, or none in the user's test.
    """
    given = {sample.split for sample in dataset.samples}
    if given & {Split.VALIDATION, Split.TEST}:
        assigned = [_settled(sample, given) for sample in dataset.samples]
        if label := _missing(replace(dataset, samples=tuple(assigned)), Split.TEST):
            raise DataError(f"class {label} has no image among those set apart to judge the model")
    else:
        assigned = _hold_out(dataset, groups, seed)
    leaked = _leaked(assigned, groups)
    kept = tuple(sample for sample in assigned if sample.id not in leaked)
    found = replace(dataset, samples=kept)
    for split in (Split.TRAIN, Split.TEST):
        if label := _missing(found, split):
            raise DataError(
                f"class {label} has too few images: none is left for {split}; "
                "near-duplicates count as one"
            )
    return Assignment(found, tuple(sorted(leaked)))


def _missing(dataset: Dataset, split: Split) -> str | None:
    """A class without an image in a split."""
    counts = replace(dataset, samples=dataset.of(split)).counts()
    return next((label for label, count in counts.items() if not count), None)


def _hold_out(dataset: Dataset, groups: npt.NDArray[np.int64], seed: int) -> list[Sample]:
    rows = np.array(
        [row for row, sample in enumerate(dataset.samples) if sample.split is not Split.CALIBRATION]
    )
    open_to_all = replace(dataset, samples=tuple(dataset.samples[row] for row in rows))
    label, count = min(open_to_all.counts().items(), key=lambda item: item[1])
    if count < TEST_SHARE:
        raise DataError(f"images of class {label}: {count}; {TEST_SHARE} are the least")
    if (different := len(np.unique(groups[rows]))) < TEST_SHARE:
        raise DataError(
            f"there are {different} different images; {TEST_SHARE} are the least, and "
            "near-duplicates count as one"
        )
    labels = np.array([sample.label for sample in open_to_all.samples])
    splitter = StratifiedGroupKFold(TEST_SHARE, shuffle=True, random_state=seed)
    _, held_out = next(splitter.split(labels, labels, groups[rows]))
    chosen = frozenset(rows[held_out].tolist())
    return [
        replace(sample, split=Split.TEST) if row in chosen else _for_training(sample)
        for row, sample in enumerate(dataset.samples)
    ]


def _settled(sample: Sample, given: set[Split | None]) -> Sample:
    if sample.split is Split.VALIDATION and Split.TEST not in given:
        return replace(sample, split=Split.TEST)
    return _for_training(sample)


def _for_training(sample: Sample) -> Sample:
    """The sample, for training unless the user has said otherwise."""
    return replace(sample, split=Split.TRAIN) if sample.split is None else sample


def _leaked(samples: list[Sample], groups: npt.NDArray[np.int64]) -> frozenset[str]:
    """The ids of images to learn from that are near-duplicates of a test image."""
    numbers = groups.tolist()
    judged = {n for n, sample in zip(numbers, samples, strict=True) if sample.split is Split.TEST}
    return frozenset(
        sample.id
        for n, sample in zip(numbers, samples, strict=True)
        if sample.split is not Split.TEST and n in judged
    )
