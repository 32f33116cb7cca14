"""Which images a model learns from, and which judge it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import DataError
from training.data.dataset import Dataset, Sample, Split
from training.data.splits import assign


def dataset(labels: list[int], splits: Sequence[Split | None] | None = None) -> Dataset:
    names = tuple(f"class{label}" for label in range(max(labels) + 1))
    given_splits = splits or [None] * len(labels)
    return Dataset(
        names,
        tuple(
            Sample(f"{row}", label, Path(f"{row}.png"), split=split)
            for row, (label, split) in enumerate(zip(labels, given_splits, strict=True))
        ),
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(5, 40), min_size=2, max_size=4), st.integers(0, 99))
def test_a_fifth_of_each_class_is_held_out(counts: list[int], seed: int) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    whole = dataset(labels)

    found = assign(whole, np.arange(len(labels)), seed=seed)

    train, test = found.dataset.of(Split.TRAIN), found.dataset.of(Split.TEST)
    assert sorted(s.id for s in train + test) == sorted(s.id for s in whole.samples)
    held_out = Counter(sample.label for sample in test)
    for label, count in enumerate(counts):
        assert abs(held_out[label] - count / 5) <= 1
    assert found == assign(whole, np.arange(len(labels)), seed=seed)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99))
def test_near_duplicates_stay_together(seed: int) -> None:
    labels = [0] * 40 + [1] * 40
    groups = np.arange(80) // 4

    found = assign(dataset(labels), groups, seed=seed)

    sides: dict[int, set[Split | None]] = {}
    for sample in found.dataset.samples:
        sides.setdefault(int(groups[int(sample.id)]), set()).add(sample.split)
    assert all(len(side) == 1 for side in sides.values())


def test_a_fifth_is_held_out_where_the_user_has_only_said_train() -> None:
    labels = [0] * 20 + [1] * 10

    found = assign(dataset(labels, [Split.TRAIN] * 30), np.arange(30), seed=0)

    assert found == assign(dataset(labels), np.arange(30), seed=0)
    assert Counter(sample.label for sample in found.dataset.of(Split.TEST)) == {0: 4, 1: 2}


def test_a_fifth_is_held_out_beside_a_calibration_split() -> None:
    labels = [0, 1] * 20
    splits = [Split.CALIBRATION] * 10 + [Split.TRAIN] * 30

    found = assign(dataset(labels, splits), np.arange(40), seed=0)

    assert [sample.id for sample in found.dataset.of(Split.CALIBRATION)] == list(
        map(str, range(10))
    )
    assert Counter(sample.label for sample in found.dataset.of(Split.TEST)) == {0: 3, 1: 3}


def test_a_copy_of_a_held_out_image_does_not_calibrate() -> None:
    labels = [0, 1] * 20
    splits = [Split.CALIBRATION] * 20 + [Split.TRAIN] * 20

    # The first half are copies of the second.
    found = assign(dataset(labels, splits), np.arange(40) % 20, seed=0)

    test = {int(sample.id) for sample in found.dataset.of(Split.TEST)}
    assert sorted(found.leaked) == sorted(str(row - 20) for row in test)


def test_images_without_a_split_are_learned_from() -> None:
    splits = [None, None, Split.TEST, Split.TEST]

    found = assign(dataset([0, 1, 0, 1], splits), np.arange(4), seed=0)

    assert [sample.id for sample in found.dataset.of(Split.TRAIN)] == ["0", "1"]


def test_a_validation_split_without_a_test_split_is_the_test() -> None:
    whole = dataset([0, 1, 0, 1], [Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.VALIDATION])

    found = assign(whole, np.arange(4), seed=0)

    assert [sample.id for sample in found.dataset.of(Split.TEST)] == ["2", "3"]
    assert not found.dataset.of(Split.VALIDATION)


def test_a_validation_split_beside_a_test_split_stays() -> None:
    splits = [Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.TEST, Split.TEST]

    found = assign(dataset([0, 1, 0, 0, 1], splits), np.arange(5), seed=0)

    assert [sample.split for sample in found.dataset.samples] == splits


def test_a_copy_of_what_the_user_set_apart_is_not_learned_from() -> None:
    splits = [Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.TEST, Split.TEST]

    found = assign(dataset([0, 1, 0, 0, 1], splits), np.array([7, 1, 2, 7, 4]), seed=0)

    assert found.leaked == ("0",)
    assert [sample.id for sample in found.dataset.samples] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("apart", [Split.VALIDATION, Split.TEST])
def test_a_class_that_the_user_s_test_does_not_have_is_named(apart: Split) -> None:
    with pytest.raises(DataError, match="class1 has no image among those set apart to judge"):
        assign(dataset([0, 1, 1, 0], [Split.TRAIN] * 3 + [apart]), np.arange(4), seed=0)


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        ([0] * 9 + [1] * 4, range(13), "images of class class1: 4; 5 are the least"),
        ([0] * 10 + [1] * 5, [*range(10), 99, 99, 99, 99, 99], "class class1 has too few images"),
        ([0] * 9 + [1] * 9, [0] * 9 + [1] * 9, "there are 2 different images; 5 are the least"),
    ],
)
def test_a_class_that_cannot_be_on_both_sides_is_named(
    labels: list[int], groups: list[int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        assign(dataset(labels), np.array(groups), seed=0)
