"""What a run has found, in numbers."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from service.core.scoring.rows import Row

BINS = 10
"""Of equal width, of confidences from 0 to 1."""

SLOWEST = 10

Timing = tuple[float, str]
"""Seconds, and the input that took them."""


@dataclass
class Summary:
    """Counts that grow with the rows; bounded by the number of classes, not of images.

    `images` is how many rows there will be, `rows` how many there are. `slowest` is of this
    process alone: a run that goes on has not timed what was there.
    """

    images: int
    rows: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    confidence: list[int] = field(default_factory=lambda: [0] * BINS)
    errors: Counter[str] = field(default_factory=Counter)
    slowest: list[Timing] = field(default_factory=list)

    def add(self, rows: Iterable[Row]) -> None:
        """Count rows that are in the output."""
        for row in rows:
            self.rows += 1
            if row.error is not None:
                self.errors[row.error.partition(":")[0]] += 1
            elif row.label is not None and row.probability is not None:
                self.classes[row.label] += 1
                self.confidence[min(int(row.probability * BINS), BINS - 1)] += 1

    def remember(self, timing: Timing) -> None:
        """Remember the images that took longest to read and decode."""
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, timing)
        else:
            heapq.heappushpop(self.slowest, timing)

    @property
    def failed(self) -> int:
        """How many rows have an error."""
        return self.errors.total()

    def as_dict(self) -> dict[str, Any]:
        """As `_summary.json` has it."""
        return {
            "images": self.images,
            "errors": dict(self.errors.most_common()),
            "classes": dict(self.classes.most_common()),
            "confidence": self.confidence,
            "slowest": [
                {"input": name, "seconds": round(seconds, 4)}
                for seconds, name in sorted(self.slowest, reverse=True)
            ],
        }
