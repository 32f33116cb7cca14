"""Every field of a recipe is an option of `seewhy train`."""

import re

import pytest

from seewhy.cli import run
from training.recipe import Recipe


def test_every_field_has_its_option_with_its_description(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["train", "--help"]) == 0

    said = " ".join(capsys.readouterr().out.split())
    for name, field in Recipe.model_fields.items():
        assert f"--{name.replace('_', '-')} " in said
        assert field.description is not None
        assert re.sub(r"\W", "", field.description) in re.sub(r"\W", "", said)


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--epochs", "0"], "--epochs 0: Input should be greater than or equal to 1", 2),
        (["--rate", "nan"], "--rate nan: ", 2),
        (["--depth", "half"], "--depth half: ", 2),
        (["--schedule", "linear"], "--schedule", 2),
        (["--strategy", "probe", "--noise", "0.5"], "--noise 0.5: only a network that is", 2),
        (["--strategy", "probe", "--adversarial", "l2"], "--adversarial l2: only a network", 2),
        (["--optimizer", "Magic"], "no optimizer 'Magic'; there are ", 1),
        (["--augment", "magic"], "no augmentation 'magic'; there are ", 1),
    ],
)
def test_a_recipe_that_cannot_be_is_one_line_before_any_work(
    capsys: pytest.CaptureFixture[str], options: list[str], said: str, code: int
) -> None:
    assert run(["train", "no-such-photos", *options]) == code

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
