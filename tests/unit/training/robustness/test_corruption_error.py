"""The mean corruption error, by figures that can be told in advance."""

import pytest

from service.core.robustness.corruptions import CORRUPTIONS
from training.robustness.corruption_error import ALEXNET, beside_alexnet


def test_alexnets_own_is_one() -> None:
    assert beside_alexnet(ALEXNET) == pytest.approx(1)


def test_it_is_the_mean_of_the_ratios() -> None:
    found = beside_alexnet({"fog": 0.819324 / 2, "contrast": 0.853204 / 4})

    assert found == pytest.approx(0.375)


def test_every_corruption_has_its_published_error() -> None:
    assert list(ALEXNET) == list(CORRUPTIONS)
