"""From what a user names to a data set that can be learned from, and what was found in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data import duplicates, sources, splits
from training.data.dataset import Dataset, Sample, Split
from training.data.survey import Unreadable, survey

FEW = 3
"""Images that a finding names."""


@dataclass(frozen=True)
class Prepared:
    """A data set whose every image has a split.

    `unreadable` and `leaked` images (see `splits.Assignment`) are left out of it.
    `groups` gives each image's id a number that near-duplicates share; `conflicts` are the
    ids of near-duplicates with different labels.
    """

    dataset: Dataset
    fingerprint: str
    groups: dict[str, int]
    unreadable: tuple[Unreadable, ...]
    leaked: tuple[str, ...]
    conflicts: tuple[tuple[str, ...], ...]

    @property
    def learning(self) -> tuple[Sample, ...]:
        """The images to learn from, whatever for: all that are not held out."""
        return self.dataset.of(Split.TRAIN, Split.VALIDATION, Split.CALIBRATION)

    @property
    def learning_labels(self) -> npt.NDArray[np.int64]:
        """Their labels."""
        return np.array([sample.label for sample in self.learning], dtype=np.int64)

    @property
    def learning_splits(self) -> list[Split | None]:
        """What the user says each is for."""
        return [sample.split for sample in self.learning]

    @property
    def learning_groups(self) -> npt.NDArray[np.int64]:
        """Their groups of near-duplicates."""
        return np.array([self.groups[sample.id] for sample in self.learning], dtype=np.int64)

    def findings(self) -> Iterator[str]:
        """What a user should know of the data, a line each."""
        train, test = len(self.learning), len(self.dataset.of(Split.TEST))
        counts = self.dataset.counts()
        yield f"{train} images to learn from, {test} held out, {len(counts)} classes"
        fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        if counts[fewest] == counts[most]:
            yield f"every class has {counts[most]} images"
        else:
            yield f"{most} has most images ({counts[most]}), {fewest} fewest ({counts[fewest]})"
        for image in self.unreadable:
            yield f"left out: {image.id}: {image.reason}"
        if self.leaked:
            named = ", ".join(self.leaked[:FEW]) + ("" if len(self.leaked) <= FEW else ", …")
            yield f"left out: {len(self.leaked)} near-duplicates of held-out images: {named}"
        for conflict in self.conflicts:
            yield f"near-duplicates with different labels: {', '.join(conflict)}"


def prepare(path: Path, *, seed: int) -> Prepared:
    """Find, read, compare and split the images; see `sources.read`.

    Raises:
        DataError: they cannot be learned from.
    """
    found = survey(sources.read(path))
    groups = duplicates.groups(found.hashes)
    assignment = splits.assign(found.dataset, groups, seed=seed)
    samples = found.dataset.samples
    conflicts = duplicates.conflicts(groups, [sample.label for sample in samples])
    return Prepared(
        assignment.dataset,
        found.fingerprint,
        {sample.id: number for sample, number in zip(samples, groups.tolist(), strict=True)},
        found.unreadable,
        assignment.leaked,
        tuple(tuple(samples[row].id for row in rows) for rows in conflicts),
    )
