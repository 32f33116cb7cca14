"""Averages of states: taken where they are better, and left where not."""

import torch
from torch import nn

from training.learning.soup import State, stir
from training.recipe import Metric
from training.score import Score


class Point(nn.Module):
    """One number, and a count."""

    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1))
        self.register_buffer("count", torch.tensor(0))


def states(*values: float) -> list[State]:
    return [
        {"value": torch.tensor([value]), "count": torch.tensor(number)}
        for number, value in enumerate(values)
    ]


def stirred(target: float, *values: float) -> tuple[float, int, Score | None]:
    """What is left of a point, judged by its distance from the target."""
    point = Point()

    def judge() -> Score:
        return Score(abs(point.value.item() - target), 0.5, 0.5)

    best = Score(abs(values[0] - target), 0.5, 0.5)
    found = stir(point, states(*values), best, Metric.LOG_LOSS, judge)
    return point.value.item(), int(point.count.item()), found


def test_an_average_that_is_better_is_taken() -> None:
    assert stirred(2.0, 1.5, 2.5) == (2.0, 0, Score(0.0, 0.5, 0.5))


def test_a_state_that_makes_it_worse_is_left_out() -> None:
    assert stirred(2.0, 1.5, 9.0, 2.5) == (2.0, 0, Score(0.0, 0.5, 0.5))


def test_the_best_alone_is_left_where_no_average_is_better() -> None:
    assert stirred(2.0, 2.0, 3.0) == (2.0, 0, None)
    assert stirred(2.0, 1.0) == (1.0, 0, None)
