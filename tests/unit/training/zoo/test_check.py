"""What the zoo's check lets pass, and what it names."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training.zoo.accuracy import ImageErrors, summarize
from training.zoo.check import Row

LOGITS = np.array([[3.0, 4.0], [3.0, -4.0]])


def image_errors(size: float) -> ImageErrors:
    return ImageErrors(median=size * 1e-8, cosine_loss=size * 1e-5)


def test_a_row_within_all_limits_has_no_fault(good: Row) -> None:
    assert good.faults == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"logits": 2e-5}, "logits"),
        ({"logits": math.nan}, "logits"),
        ({"median_ratio": 2.1}, "median"),
        ({"median_ratio": math.nan}, "median"),
        ({"cosine_p": 1e-4}, "cosine"),
        ({"cosine_p": math.nan}, "cosine"),
        ({"worst_cosine_loss": 2e-3}, "at worst"),
    ],
)
def test_each_limit_that_is_broken_is_named(good: Row, changes: dict[str, Any], named: str) -> None:
    (fault,) = replace(good, accuracy=replace(good.accuracy, **changes)).faults

    assert named in fault


def test_a_gradient_that_is_wrong_in_float64_is_named(good: Row) -> None:
    (fault,) = replace(good, gradient64=2e-9).faults

    assert "float64 gradient" in fault


def test_ties_that_fall_at_random_are_no_fault(good: Row) -> None:
    generator = np.random.default_rng(0)
    ours, theirs = (
        [image_errors(size) for size in 10 ** generator.normal(scale=0.2, size=12)]
        for _ in range(2)
    )
    ours[0] = image_errors(50)

    assert replace(good, accuracy=summarize(1e-7, LOGITS, ours, theirs)).faults == []


def test_errors_that_are_always_larger_are_a_fault(good: Row) -> None:
    sizes = np.linspace(3, 4, 12)

    found = summarize(1e-7, LOGITS, list(map(image_errors, sizes)), [image_errors(1)] * 12)

    assert found.median_ratio == pytest.approx(3.5)
    assert [fault.partition(":")[0] for fault in replace(good, accuracy=found).faults] == [
        "median error",
        "1 - cosine",
    ]
