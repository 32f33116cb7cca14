"""Which cell of the table evidence falls into, and what it says there."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from service.core.robustness.norms import Norm
from training.advisor import FAR, MUCH, Advice, Evidence, advise
from training.layers import Transfer
from training.recipe import Balance, Recipe, Strategy

IMAGES = 400
RISING = (0.4, 0.5, 0.6, 0.7, 0.8)
FLAT = (0.4, 0.79, 0.8, 0.8, 0.8)
BLOCKS = 20
AGES = 1e9
ASKED = Recipe(rate=1e-4)


def evidence(
    curve: Sequence[float] = RISING,
    *,
    much: bool = False,
    shift: float | None = FAR / 2,
    pretrained: bool = True,
) -> Evidence:
    """Of layers with these accuracies, after 4, 8, … of 20 blocks."""
    layers = [
        Transfer(4 * number, BLOCKS, accuracy, IMAGES) for number, accuracy in enumerate(curve, 1)
    ]
    per_class = MUCH if much else MUCH - 1
    return Evidence(per_class, layers, shift, pretrained, forward=0.02, spent=30.0)


def depth(advice: Advice) -> str:
    """The blocks to fine-tune, or `none`."""
    fine_tuned = advice.recipe.strategy is Strategy.FINETUNE
    assert fine_tuned or advice.recipe.strategy is Strategy.PROBE
    return advice.recipe.depth if fine_tuned else "none"


@pytest.mark.parametrize(
    ("found", "expected", "said"),
    [
        (evidence(), "none", "a linear classifier on its features will do"),
        (evidence(much=True), "5", "to fine-tune its last 5 blocks pays"),
        (evidence(much=True, shift=FAR), "full", "to fine-tune all its blocks pays"),
        (evidence(FLAT, shift=FAR), "12", "to fine-tune its last 12 blocks pays"),
        (evidence(RISING, shift=FAR), "5", "to fine-tune its last 5 blocks pays"),
    ],
)
def test_the_table_is_the_classic_one(found: Evidence, expected: str, said: str) -> None:
    advice = advise(found, ASKED, AGES)

    assert depth(advice) == expected
    assert said in advice.reason


@pytest.mark.parametrize(
    ("found", "similar", "said"),
    [
        (evidence(shift=FAR - 0.01), True, "like those that the network has learned (0."),
        (evidence(shift=FAR), False, "unlike those that the network has learned"),
        (evidence(FLAT, shift=FAR - 0.01), True, "like those"),
        (evidence(RISING, shift=None), True, "no layer serves as well as the network's last"),
        (evidence(FLAT, shift=None), False, "the layer after 8 of 20 blocks serves as well"),
        (evidence(RISING, shift=None, pretrained=False), False, "has learned nothing yet"),
    ],
)
def test_likeness_is_the_distance_or_else_the_layers(
    found: Evidence, *, similar: bool, said: str
) -> None:
    assert found.similar is similar
    assert said in advise(found, ASKED, AGES).reason


def test_a_layer_serves_as_well_within_one_standard_error() -> None:
    # Of 400 images and 80% right: sqrt(.8 * .2 / 400) = 2 points.
    assert evidence((0.5, 0.779, 0.781, 0.8)).serving.accuracy == 0.781


def test_the_reason_is_one_sentence() -> None:
    for shift in (None, 0.0, FAR):
        for much in (True, False):
            for budget in (AGES, 1):
                reason = advise(evidence(much=much, shift=shift), ASKED, budget).reason
                assert reason.endswith(".")
                assert ". " not in reason


def test_what_takes_longer_than_there_is_time_is_only_named() -> None:
    found = evidence(much=True, shift=FAR)
    # 8 epochs of a forward and a backward pass, three forward passes in all, a pass over those
    # that validate, and three passes afterwards: 35 passes over 400 images at 20 ms are 280 s,
    # after the 30 s that are spent.
    enough = 30 + 35 * 400 * 0.02

    assert depth(advise(found, ASKED, enough + 1)) == "full"
    late = advise(found, ASKED, enough - 1)
    assert depth(late) == "none"
    assert "all its blocks would take 5.2 min, more than the --budget of 5.2" in late.reason


def test_fewer_blocks_take_less_time() -> None:
    # A quarter of the blocks: 8 * 2.5 + 3 = 23 passes.
    found = evidence(much=True)
    enough = 30 + 23 * 400 * 0.02

    assert depth(advise(found, ASKED, enough + 1)) == "5"
    assert depth(advise(found, ASKED, enough - 1)) == "none"


def test_what_only_training_can_give_is_trained_for() -> None:
    for robust in ({"adversarial": Norm.LINF}, {"noise": 0.25}):
        asked = ASKED.model_copy(update=robust)

        advice = advise(evidence(), asked, AGES)

        assert depth(advice) == "5"
        assert "but attacked or noisy ones are asked for: its last 5 blocks" in advice.reason
        hurried = advise(evidence(), asked, 1).recipe
        assert hurried == ASKED.model_copy(update={"strategy": Strategy.PROBE})


def test_attacks_take_their_time() -> None:
    # Three steps, forward and back to the pixels each: 8 * (3 + 9) + 8 + 3 = 107 passes.
    found = evidence(much=True, shift=FAR)
    asked = ASKED.model_copy(update={"adversarial": Norm.L2, "attack_steps": 3})
    enough = 30 + 107 * 400 * 0.02

    assert depth(advise(found, asked, enough + 1)) == "full"
    assert depth(advise(found, asked, enough - 1)) == "none"


def test_a_network_of_one_layer_can_be_advised_on() -> None:
    found = replace(evidence(shift=None), layers=[Transfer(1, 1, 0.9, IMAGES)])

    assert depth(advise(found, ASKED, AGES)) == "none"
    assert depth(advise(replace(found, pretrained=False), ASKED, AGES)) == "1"


def test_what_else_was_asked_for_stays() -> None:
    asked = Recipe(epochs=3, balance=Balance.WEIGHTS)

    for found in (evidence(), evidence(much=True)):
        recipe = advise(found, asked, AGES).recipe
        assert (recipe.epochs, recipe.balance) == (3, Balance.WEIGHTS)


def test_a_sweep_of_rates_takes_its_time() -> None:
    found = evidence(much=True, shift=FAR)
    enough = 30 + (35 * 400 + 40 * 32 * 3) * 0.02

    assert depth(advise(found, Recipe(), enough + 1)) == "full"
    assert depth(advise(found, Recipe(), enough - 1)) == "none"
