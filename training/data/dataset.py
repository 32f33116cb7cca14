"""A labelled data set: which images there are, what they show, and what each is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Split(StrEnum):
    """What an image is for.

    Where a network is trained, `TRAIN` fits its weights, `VALIDATION` chooses its epoch, and
    between it and a linear classifier, and `CALIBRATION` fits what makes its probabilities
    honest. A linear classifier alone is cross-validated, and learns from these three. `TEST` is
    looked at once, for the report.
    """

    TRAIN = "train"
    VALIDATION = "validation"
    CALIBRATION = "calibration"
    TEST = "test"


@dataclass(frozen=True)
class Sample:
    """One labelled image: some bytes of a file.

    `id` is unique in its data set; `length` None reads to the file's end; `split` is None
    until somebody has said what the image is for.
    """

    id: str
    label: int
    file: Path
    offset: int = 0
    length: int | None = None
    split: Split | None = None

    def read(self) -> bytes:
        """The encoded image.

        Raises:
            OSError: the file cannot be read.
        """
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(-1 if self.length is None else self.length)


@dataclass(frozen=True)
class Dataset:
    """Labelled images; `Sample.label` is an index into `labels`."""

    labels: tuple[str, ...]
    samples: tuple[Sample, ...]

    def of(self, *splits: Split) -> tuple[Sample, ...]:
        """The samples of some splits, in order."""
        return tuple(sample for sample in self.samples if sample.split in splits)

    def counts(self) -> Mapping[str, int]:
        """The number of images by label, every label included."""
        found = dict.fromkeys(self.labels, 0)
        for sample in self.samples:
            found[self.labels[sample.label]] += 1
        return found
