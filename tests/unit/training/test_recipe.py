"""How a recipe is asked for again."""

from service.core.robustness.norms import Norm
from training.recipe import Recipe, Strategy


def test_what_is_left_as_it_is_needs_no_option() -> None:
    assert Recipe().options == []


def test_what_is_chosen_is_an_option_each() -> None:
    recipe = Recipe(
        strategy=Strategy.FINETUNE,
        rate=0.01,
        gradual=True,
        augment=("crop", "color"),
        adversarial=Norm.L2,
    )

    assert recipe.options == [
        "--strategy", "finetune", "--gradual", "--rate", "0.01", "--augment", "crop",
        "--augment", "color", "--adversarial", "l2",
    ]  # fmt: skip


def test_every_choice_is_told_but_of_a_probe_what_it_knows() -> None:
    finetune, probe = Recipe(strategy=Strategy.FINETUNE), Recipe(strategy=Strategy.PROBE)

    assert finetune.choices.keys() == Recipe.model_fields.keys()
    assert finetune.choices["optimizer"] == "AdamW"
    assert probe.choices == {"strategy": "probe", "balance": "auto", "metric": "log-loss"}
