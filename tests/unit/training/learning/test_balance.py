"""When rare classes are made up for without being asked."""

import numpy as np
import pytest

from training.learning.balance import resolved
from training.recipe import Balance, Recipe


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((30, 10, 20), Balance.AUTO), ((31, 10, 20), Balance.WEIGHTS), ((5, 5), Balance.AUTO)],
)
def test_classes_count_alike_where_one_has_more_than_three_times_the_images(
    counts: tuple[int, ...], expected: Balance
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)

    assert resolved(Recipe(), labels).balance is expected


@pytest.mark.parametrize("asked", [Balance.NONE, Balance.WEIGHTS, Balance.SAMPLING])
def test_what_was_asked_for_is_done(asked: Balance) -> None:
    recipe = Recipe(balance=asked, epochs=3)

    assert resolved(recipe, np.repeat([0, 1], [90, 1])) == recipe
