"""Oracle: each number written by itself, as Python writes it."""

import json

import numpy as np
import numpy.typing as npt
import pytest

from service.api.number_grid import written


def rounded(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """To the fifth significant digit of the largest."""
    exponent = int(f"{np.abs(values).max():e}".partition("e")[2])
    return np.array([[float(f"{round(x, 4 - exponent)}") for x in row] for row in values.tolist()])


@pytest.mark.parametrize("scale", [1e-38, 2.5e-9, 0.034, 0.34, 1.0, 7.7, 123.4, 1e5, 3e38])
@pytest.mark.parametrize("signed", [True, False])
def test_numbers_have_five_digits_of_the_largest(scale: float, signed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    numbers = np.random.default_rng(1).random((13, 7)) - 0.5 * signed
    values = (numbers / np.abs(numbers).max() * scale).astype(np.float32)
    np.testing.assert_allclose(json.loads(written(values)), rounded(values), rtol=1e-12, atol=0)


@pytest.mark.parametrize("largest", [0.999999, 9.999996, 1.0, 0.1, 1e-3, 99999.5])
def test_a_largest_value_near_a_power_of_ten_is_right(largest: float) -> None:
    values = np.array([[largest, 0.0], [-largest, largest / 3]])
    found = np.array(json.loads(written(values)))
    np.testing.assert_allclose(found, values, rtol=0, atol=0.5001e-4 * largest)


def test_a_grid_of_zeros_is_one() -> None:
    assert json.loads(written(np.zeros((2, 3), dtype=np.float32))) == [[0, 0, 0], [0, 0, 0]]


def test_a_single_number_is_a_grid() -> None:
    assert json.loads(written(np.array([[-0.25]]))) == [[-0.25]]
