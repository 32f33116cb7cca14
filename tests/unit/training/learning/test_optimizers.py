"""Optimisers by name, and how their rates run, beside torch's own schedules and closed forms."""

import math

import pytest
import torch
from torch import nn

from models.errors import TrainingError
from training.learning import optimizers
from training.recipe import Recipe, Schedule

STEPS = 20


def parameters() -> list[list[nn.Parameter]]:
    """Two blocks, each of a matrix and a bias."""
    return [[nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))] for _ in range(2)]


def rates(recipe: Recipe, steps: int = STEPS) -> list[float]:
    """Of the head, step by step, as shares of the peak."""
    optimizer = optimizers.optimizer(parameters(), 1.0, recipe)
    schedule = optimizers.schedule(optimizer, steps, recipe)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "NAdam", "RAdam"])
def test_any_optimizer_of_torch_learns(name: str) -> None:
    blocks = parameters()
    optimizer = optimizers.optimizer(blocks, 0.1, Recipe(optimizer=name))
    assert type(optimizer) is getattr(torch.optim, name)

    for parameter in blocks[0]:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()

    assert (blocks[0][0] < 1).all()


def test_every_name_that_is_told_can_be_built() -> None:
    assert {"SGD", "RMSprop", "Adam", "AdamW", "Adadelta"} <= set(optimizers.names())
    for name in optimizers.names():
        optimizers.optimizer(parameters(), 0.1, Recipe(optimizer=name))


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(TrainingError, match=r"no optimizer 'Adamw'; there are .*AdamW"):
        optimizers.optimizer(parameters(), 0.1, Recipe(optimizer="Adamw"))
    with pytest.raises(TrainingError, match="AdamW has no Nesterov momentum"):
        optimizers.optimizer(parameters(), 0.1, Recipe(nesterov=True))


def test_rates_fall_from_block_to_block_and_biases_are_not_decayed() -> None:
    recipe = Recipe(decay=0.5, weight_decay=0.1)

    groups = optimizers.optimizer(parameters(), 0.2, recipe).param_groups

    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (0.2, 0.1), (0.2, 0.0), (0.1, 0.1), (0.1, 0.0),
    ]  # fmt: skip


def test_a_cosine_rises_and_falls_to_nothing() -> None:
    found = rates(Recipe(warm_up=0.25))

    assert found[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    falling = [(1 + math.cos(math.pi * step / 15)) / 2 for step in range(15)]
    assert found[5:] == pytest.approx(falling)


def test_steps_are_of_equal_length() -> None:
    found = rates(Recipe(schedule=Schedule.STEP, warm_up=0.1))

    assert found == pytest.approx([0.5, 1.0] + [1.0] * 6 + [0.1] * 6 + [0.01] * 6)


def test_a_constant_rate_stays() -> None:
    assert rates(Recipe(schedule=Schedule.CONSTANT, warm_up=0.0)) == [1.0] * STEPS


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Adagrad"])
def test_one_cycle_peaks_after_its_warm_up(name: str) -> None:
    found = rates(Recipe(optimizer=name, schedule=Schedule.ONE_CYCLE, warm_up=0.3))

    assert found[0] == pytest.approx(1 / 25)
    assert max(found) == pytest.approx(1)
    assert found.index(max(found)) == 5
    assert found[-1] < 1e-3


@pytest.mark.parametrize("schedule", Schedule)
@pytest.mark.parametrize("warm_up", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_a_run_of_a_few_steps_has_rates_too(schedule: Schedule, warm_up: float, steps: int) -> None:
    found = rates(Recipe(schedule=schedule, warm_up=warm_up), steps)

    assert all(0 < rate <= 1 for rate in found)
    assert max(found) == pytest.approx(1) or steps == 1
