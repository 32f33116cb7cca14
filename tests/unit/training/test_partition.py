"""Which images train a network, which choose it, and which calibrate it."""

import numpy as np
import pytest

from models.errors import DataError
from training.data.dataset import Split
from training.partition import Partition, partition

TRAIN, VALIDATION, CALIBRATION = Split.TRAIN, Split.VALIDATION, Split.CALIBRATION
LABELS = np.arange(40) % 4
FOLD = np.arange(24), np.arange(24, 40)
ALONE = np.arange(40)


def parts(found: Partition) -> tuple[set[int], set[int], set[int]]:
    return (
        set(found.training.tolist()),
        set(found.validation.tolist()),
        set(found.calibration.tolist()),
    )


def test_a_fold_is_halved_class_by_class() -> None:
    found = partition([TRAIN] * 40, LABELS, ALONE, FOLD, seed=0)

    training, validation, calibration = parts(found)
    assert training == set(range(24))
    assert validation | calibration == set(range(24, 40))
    assert not validation & calibration
    for half in (found.validation, found.calibration):
        assert np.bincount(LABELS[half]).tolist() == [2, 2, 2, 2]


def test_near_duplicates_are_not_parted() -> None:
    pairs = ALONE // 2

    found = partition([TRAIN] * 40, LABELS, pairs, FOLD, seed=0)

    _, validation, calibration = parts(found)
    assert not {row // 2 for row in validation} & {row // 2 for row in calibration}
    assert len(validation) == len(calibration) == 8


def test_the_seed_draws_the_halves() -> None:
    halves = [
        tuple(partition([TRAIN] * 40, LABELS, ALONE, FOLD, seed=seed).validation.tolist())
        for seed in (0, 0, 1)
    ]

    assert halves[0] == halves[1] != halves[2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            [TRAIN] * 20 + [VALIDATION] * 12 + [CALIBRATION] * 8,
            (set(range(20)), set(range(20, 32)), set(range(32, 40))),
        ),
        (
            [TRAIN] * 20 + [CALIBRATION] * 8 + [TRAIN] * 12,
            (set(range(20)), set(range(28, 40)), {*range(20, 28)}),
        ),
    ],
)
def test_the_users_own_parts_stand(
    given: list[Split], expected: tuple[set[int], set[int], set[int]]
) -> None:
    assert parts(partition(given, LABELS, ALONE, FOLD, seed=0)) == expected


def test_validation_images_of_the_user_are_halved_where_none_calibrate() -> None:
    given = [VALIDATION] * 12 + [TRAIN] * 28

    training, validation, calibration = parts(partition(given, LABELS, ALONE, FOLD, seed=0))

    assert training == set(range(12, 40))
    assert validation | calibration == set(range(12))
    assert len(validation) == len(calibration) == 6


def test_near_duplicates_of_what_judges_are_not_learned_from() -> None:
    given = [TRAIN] * 20 + [VALIDATION] * 12 + [CALIBRATION] * 8
    groups = ALONE.copy()
    groups[[0, 20]] = 100
    groups[[1, 32]] = 101
    groups[[21, 33]] = 102

    training, validation, calibration = parts(partition(given, LABELS, groups, FOLD, seed=0))

    assert training == set(range(2, 20))
    assert validation == set(range(20, 32))
    assert calibration == set(range(32, 40)) - {33}


def test_too_few_to_choose_by_and_calibrate_on_are_an_error() -> None:
    same = np.zeros(40, np.int64)
    same[:24] = np.arange(1, 25)

    with pytest.raises(DataError, match="too few different images"):
        partition([TRAIN] * 40, LABELS, same, FOLD, seed=0)


def test_a_class_that_only_judges_is_an_error() -> None:
    given = [VALIDATION if label == 3 else TRAIN for label in LABELS]

    with pytest.raises(DataError, match="1 of the classes"):
        partition(given, LABELS, ALONE, FOLD, seed=0)
