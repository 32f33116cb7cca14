"""Several backbones on the same photos."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from models.errors import ExportError, TrainingError, WeightsError
from training.selection import Candidate, Measured, compare


def measured(
    data: Path, candidates: Sequence[Candidate], depths: Sequence[str]
) -> Iterator[Measured]:
    return compare(data, candidates, depths, seed=0, say=print)


@pytest.fixture(scope="module")
def found(noughts_and_ones: Path) -> list[Measured]:
    candidates = [Candidate("lenet5", "none"), Candidate("linear", "none")]
    return list(measured(noughts_and_ones, candidates, ["head", "full"]))


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
        next(measured(tmp_path / "nowhere", [Candidate("linear", "none"), candidate], []))


@pytest.mark.parametrize("depth", ["half", "3"])
def test_a_depth_that_a_candidate_has_not_is_said_before_any_is_trained(
    noughts_and_ones: Path, depth: str
) -> None:
    candidates = [Candidate("mlp", "none"), Candidate("lenet5", "none")]
    with pytest.raises(TrainingError, match="a depth is head, full or"):
        next(measured(noughts_and_ones, candidates, [depth]))


def test_training_stands_beside_the_linear_classifier_on_the_same_images(
    found: list[Measured],
) -> None:
    for each in found:
        assert [trained.depth for trained in each.trained] == ["head", "full"]
        head, full = each.trained
        assert head.images == full.images > 0
        assert head.probe == full.probe


def test_each_depth_trains_other_weights(noughts_and_ones: Path) -> None:
    said: list[str] = []

    list(
        compare(
            noughts_and_ones,
            [Candidate("lenet5", "none")],
            ["head", "full"],
            seed=0,
            say=said.append,
        )
    )

    head, full = (line for line in said if line.startswith("epoch 8 of 8"))
    assert losses(head) != losses(full)


def losses(line: str) -> list[str]:
    return re.findall(r"\d\.\d{3}", line)
