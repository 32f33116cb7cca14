"""Gathers one model's answers into windows, and judges each away from the requests."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
import numpy.typing as npt

from models.reference import Reference
from service.core import drift
from service.core.classification import Prediction
from service.core.drift import Statistic, Window
from service.core.workers import yield_to_others

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """How far a window's statistic has come, and what it may reach."""

    value: float
    threshold: float

    @property
    def drifted(self) -> bool:
        """Whether it is beyond that."""
        return self.value > self.threshold


@dataclass(frozen=True)
class Judged:
    """The windows so far.

    Attributes:
        windows: how many were judged.
        drifted_in_a_row: how many of the last ones had drifted.
        last: of the last one; empty before it.
    """

    windows: int
    drifted_in_a_row: int
    last: Mapping[Statistic, Finding]


class DriftWatch:
    """Windows of `size` answers, none in two of them. Safe to use from several threads."""

    def __init__(self, reference: Reference, size: int) -> None:
        """Begin to learn, in the background, what undisturbed windows look like.

        Args:
            reference: the bundle's.
            size: answers in a window.
        """
        self.size = size
        self._lock = Lock()
        self._gathered: list[tuple[int, float, npt.NDArray[np.floating]]] = []
        self._judged = Judged(0, 0, {})
        self._judge = ThreadPoolExecutor(1, "watching drift", initializer=yield_to_others)
        self._baseline = self._judge.submit(drift.baseline, reference, size)

    @property
    def judged(self) -> Judged:
        """What has been found."""
        with self._lock:
            return self._judged

    @property
    def gathered(self) -> int:
        """Answers in the window that is not full yet."""
        with self._lock:
            return len(self._gathered)

    def record(self, best: Prediction, embedding: npt.NDArray[np.floating]) -> None:
        """Add an answer; takes no time.

        Args:
            best: the most probable class, with its calibrated probability.
            embedding: [D].
        """
        with self._lock:
            self._gathered.append((best.index, best.probability, embedding))
            if len(self._gathered) < self.size:
                return
            full, self._gathered = self._gathered, []
        self._judge.submit(self._consider, full)

    def close(self) -> None:
        """Finish judging the full windows."""
        self._judge.shutdown()

    def _consider(self, answers: list[tuple[int, float, npt.NDArray[np.floating]]]) -> None:
        try:
            predicted, confidence, embedding = zip(*answers, strict=True)
            window = Window(np.array(predicted), np.array(confidence), np.stack(embedding))
            baseline = self._baseline.result()
            found = {
                each: Finding(value, baseline.thresholds[each])
                for each, value in drift.compare(window, baseline).items()
            }
        except Exception:  # or nobody would hear of it in this thread
            logger.exception("a window of answers could not be compared with the reference")
            return
        drifted = any(finding.drifted for finding in found.values())
        with self._lock:
            before = self._judged
            in_a_row = before.drifted_in_a_row + 1 if drifted else 0
            self._judged = Judged(before.windows + 1, in_a_row, found)
