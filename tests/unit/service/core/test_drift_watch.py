import logging

import numpy as np
import pytest

from models.reference import Reference
from service.core.classification import Prediction
from service.core.drift_watch import DriftWatch, Finding

SIZE = 50


def reference() -> Reference:
    random = np.random.default_rng(0)
    return Reference(
        random.normal(size=(300, 3)).astype(np.float16),
        np.zeros(300, dtype=np.int64),
        np.array([str(number) for number in range(300)]),
        np.array([150, 150]),
        np.array([0] * 19 + [300]),
    )


def record(watch: DriftWatch, answers: int, moved: float = 0) -> None:
    random = np.random.default_rng(1)
    for number in range(answers):
        watch.record(Prediction("", number % 2, 0.99), random.normal(moved, size=3))


def test_windows_hold_each_answer_once_and_count_drift_in_a_row() -> None:
    watch = DriftWatch(reference(), SIZE)
    for moved in (3, 0, 3, 3):
        record(watch, SIZE, moved)
    record(watch, 7)
    watch.close()

    assert (watch.judged.windows, watch.judged.drifted_in_a_row, watch.gathered) == (4, 2, 7)


def test_a_window_like_the_reference_ends_the_row() -> None:
    watch = DriftWatch(reference(), SIZE)
    for moved in (3, 3, 0):
        record(watch, SIZE, moved)
    watch.close()

    assert watch.judged.drifted_in_a_row == 0
    assert not any(finding.drifted for finding in watch.judged.last.values())


def test_a_window_that_cannot_be_compared_is_told_and_the_next_one_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = DriftWatch(reference(), SIZE)
    with caplog.at_level(logging.ERROR):
        for _ in range(SIZE):
            watch.record(Prediction("", 0, 0.99), np.zeros(4))  # of another model
        record(watch, SIZE)
        watch.close()

    assert "could not be compared" in caplog.text
    assert watch.judged.windows == 1


def test_a_threshold_may_be_reached() -> None:
    assert not Finding(1.0, 1.0).drifted
