"""The sweep of learning rates, on losses whose best rate is known."""

import math
from itertools import count

import numpy as np
import pytest

from models.errors import TrainingError
from training.learning.rate_finder import CEILING, MOST, ceiling, sweep
from training.recipe import Recipe, Strategy


def test_a_tenth_of_the_rate_before_the_loss_is_lost_is_taken() -> None:
    tried: list[float] = []

    def step(rate: float) -> float:
        tried.append(rate)
        return 2 - min(rate / 1e-2, 1) if rate < 2e-2 else 100.0

    found = sweep(step, MOST)

    assert found.chosen == pytest.approx(1e-3, rel=0.6)
    assert max(tried) < 0.3, "it ends where the loss is lost"
    assert list(found.rates) == sorted(set(tried))[: len(found.rates)]


def test_a_loss_that_is_no_number_ends_it() -> None:
    found = sweep(lambda rate: 1.0 if rate < 1e-3 else math.nan, MOST)

    assert found.rates[-1] < 1e-3
    assert all(map(math.isfinite, found.losses))


def test_batches_that_differ_much_neither_end_it_nor_choose() -> None:
    # A fitted head: batches lose from 0.02 to 0.5 whatever the rate, until 1e-2 undoes it.
    random = np.random.default_rng(0)

    def step(rate: float) -> float:
        return 5.0 if rate > 1e-2 else float(np.exp(random.uniform(np.log(0.02), np.log(0.5))))

    found = sweep(step, MOST)

    assert found.rates[-1] > 1e-3
    assert 1e-5 <= found.chosen <= 1e-3


def test_one_hard_batch_of_a_head_that_errs_hardly_ever_does_not_end_it() -> None:
    steps, random = count(), np.random.default_rng(0)

    def step(rate: float) -> float:
        if rate > 1e-2:
            return 5.0
        # The third rate that is tried meets a batch that is wrong for sure.
        return 4.0 if next(steps) == 12 else float(random.uniform(0.02, 0.3))

    found = sweep(step, MOST)

    assert found.rates[-1] > 1e-3
    assert 1e-5 <= found.chosen <= 1e-3


def test_a_loss_that_is_none_from_the_start_is_an_error() -> None:
    with pytest.raises(TrainingError, match="no number"):
        sweep(lambda _: math.nan, MOST)


def test_the_ceiling_is_kept() -> None:
    assert sweep(lambda rate: 2 - rate, 1e-4).chosen == 1e-4


def test_what_was_learned_elsewhere_is_not_undone() -> None:
    assert ceiling(Recipe(strategy=Strategy.FINETUNE)) == CEILING == 1e-4
    assert ceiling(Recipe(strategy=Strategy.FINETUNE, optimizer="SGD")) == 1e-2
    assert ceiling(Recipe(strategy=Strategy.SCRATCH)) == MOST
