"""Several backbones on the same photos."""

from pathlib import Path

import pytest

from models.errors import ExportError, WeightsError
from training.selection import Candidate, Measured, compare


@pytest.fixture(scope="module")
def found(noughts_and_ones: Path) -> list[Measured]:
    return list(
        compare(
            noughts_and_ones, [Candidate("lenet5", "none"), Candidate("linear", "none")], seed=0
        )
    )


def test_candidates_come_in_the_order_asked_for(found: list[Measured]) -> None:
    assert [str(each.candidate) for each in found] == ["lenet5 (none)", "linear (none)"]


def test_costs_are_those_counted_by_hand(found: list[Measured]) -> None:
    _, linear = found

    assert linear.multiply_adds == 3 * 32 * 32 * 2
    assert linear.parameters == 3 * 32 * 32 * 2 + 2


def test_noughts_are_told_from_ones(found: list[Measured]) -> None:
    assert all(each.accuracy >= 0.95 for each in found)
    assert all(each.accuracy == each.layers[-1].accuracy for each in found)


def test_random_weights_know_no_distance(found: list[Measured]) -> None:
    assert [each.shift for each in found] == [None, None]


@pytest.mark.parametrize(
    ("candidate", "error"),
    [
        (Candidate("lenet6", "none"), ExportError),
        (Candidate("lenet5", "package"), WeightsError),
    ],
)
def test_what_cannot_be_had_is_said_before_any_work(
    tmp_path: Path, candidate: Candidate, error: type[Exception]
) -> None:
    with pytest.raises(error):
        next(compare(tmp_path / "nowhere", [Candidate("linear", "none"), candidate], seed=0))
