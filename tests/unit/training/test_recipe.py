"""What a recipe takes, and how it is asked for again."""

import pytest

from models.errors import TrainingError
from training.recipe import Norm, Recipe, Strategy, recipe


def test_what_is_left_as_it_is_needs_no_option() -> None:
    assert Recipe().options == []


def test_what_is_chosen_is_an_option_each() -> None:
    chosen = recipe(
        strategy="finetune", rate=0.01, gradual=True, augment=["crop", "color"], adversarial="l2"
    )

    assert (chosen.strategy, chosen.adversarial) == (Strategy.FINETUNE, Norm.L2)
    assert chosen.options == [
        "--strategy", "finetune", "--gradual", "--rate", "0.01", "--augment", "crop",
        "--augment", "color", "--adversarial", "l2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"epochs": 0}, "--epochs 0"),
        ({"rate": -1.0}, "--rate -1.0"),
        ({"rate": float("nan")}, "--rate nan"),
        ({"depth": "half"}, "--depth half"),
        ({"weight_decay": -0.1}, "--weight-decay -0.1"),
        ({"schedule": "linear"}, "--schedule linear"),
        ({"dropout": 1.5}, "--dropout 1.5"),
    ],
)
def test_a_value_out_of_range_is_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(TrainingError, match=f"^{named}: "):
        recipe(**given)
