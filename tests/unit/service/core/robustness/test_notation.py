"""Checks as text."""

import pytest

from models.errors import InvalidRequest
from service.core.robustness.adversaries import PgdCheck, Square
from service.core.robustness.levels import LEVELS, Level
from service.core.robustness.losses import Loss
from service.core.robustness.mishaps import Jpeg
from service.core.robustness.norms import Norm
from service.core.robustness.notation import parse


def test_a_check_has_a_norm_an_eps_and_parameters() -> None:
    text = "pgd@l2:0.5,steps=40,loss=dlr; square:4/255 ;jpeg"

    assert parse(text) == {
        "pgd@l2:0.5,steps=40,loss=dlr": PgdCheck(norm=Norm.L2, eps=0.5, steps=40, loss=Loss.DLR),
        "square:4/255": Square(eps=4 / 255),
        "jpeg": Jpeg(),
    }


@pytest.mark.parametrize("name", ["fgsm", "pgd", "apgd", "square"])
@pytest.mark.parametrize(("norm", "eps"), [("", "1/255"), ("@linf", "1/255"), ("@l2", "0.5")])
def test_a_ball_that_has_no_eps_is_as_large_as_makes_sense_in_its_norm(
    name: str, norm: str, eps: str
) -> None:
    (unnamed,), (named,) = (parse(f"{name}{norm}{end}").values() for end in ("", f":{eps}"))

    assert unnamed == named


@pytest.mark.parametrize(("level", "passes"), [("fast", 4), ("standard", 200), ("thorough", 5000)])
def test_a_level_takes_about_as_many_passes_as_is_documented(level: Level, passes: int) -> None:
    needed = sum(check.passes for check in parse(LEVELS[level]).values())

    assert needed == pytest.approx(passes, rel=0.15)


@pytest.mark.parametrize("text", ["", "pgd;", "PGD", "jpeg@linf", "pgd:", "jpeg:0.1"])
def test_what_is_no_check_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(text)
