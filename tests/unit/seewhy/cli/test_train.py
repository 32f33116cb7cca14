"""`seewhy train`, as a user runs it."""

import re
from pathlib import Path

import pytest

from seewhy.cli import run
from seewhy.cli.exit_codes import ExitCode
from training.advisor import FAR, MUCH

pytestmark = pytest.mark.usefixtures("wide")


def test_the_choice_is_explained_on_demand(
    noughts_and_ones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", str(noughts_and_ones), "--output", str(tmp_path)]
    arguments += ["--backbone", "linear", "--weights", "none", "--explain-choice"]

    assert run(arguments) == 0

    out, err = capsys.readouterr()
    said = " ".join(out.split())
    assert f"fewer than {MUCH} images of a class" in said
    assert f"below {FAR:g}" in said
    # The only layer is the image itself, and noughts are told from ones by their pixels.
    assert re.search(r"1 of 1 +(9\d|100)\.\d%", out)
    (reason,) = [line[2:] for line in out.splitlines() if line.startswith("* ")]
    assert reason in err
    assert "the network has learned nothing yet" in reason


def train(noughts_and_ones: Path, target: Path, *options: str) -> int:
    backbone = ["--backbone", "lenet5", "--weights", "none"]
    return run(["train", str(noughts_and_ones), "--output", str(target), *backbone, *options])


def test_the_precision_that_was_asked_for_is_published_and_shown(
    noughts_and_ones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(noughts_and_ones, tmp_path, "--precision", "int8") == ExitCode.DONE
    assert re.search(r"^int8 answers .* points of accuracy", capsys.readouterr().err, re.MULTILINE)

    assert (
        run(["models", "show", "noughts_and_ones", "--repository", str(tmp_path)]) == ExitCode.DONE
    )
    shown = capsys.readouterr().out
    assert re.search(r"precision +int8", shown)
    assert "fp32_drop" in shown


@pytest.mark.parametrize("option", [("--precision", "fp8"), ("--max-drop", "-1")])
def test_a_precision_or_a_drop_out_of_range_is_a_usage_error(
    noughts_and_ones: Path, tmp_path: Path, option: tuple[str, str]
) -> None:
    assert train(noughts_and_ones, tmp_path, *option) == ExitCode.USAGE


ATTACK = "pgd@linf:16/255,steps=3"


def test_a_model_that_attacks_leave_too_little_of_is_not_published(
    noughts_and_ones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    required = ("--min-robust-accuracy", f"{ATTACK}=1")

    assert train(noughts_and_ones, tmp_path, "--strategy", "probe", *required) == ExitCode.FAILED

    assert f"{ATTACK} leaves " in capsys.readouterr().err
    assert not (tmp_path / "noughts_and_ones").exists()


def test_publishing_asks_for_what_training_measured(
    noughts_and_ones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    required = ("--min-robust-accuracy", f"{ATTACK}=0")
    assert train(noughts_and_ones, tmp_path, "--strategy", "probe", *required) == ExitCode.DONE
    bundle = str(tmp_path / "noughts_and_ones" / "1")

    def publish(requirement: str) -> int:
        target = ["--repository", str(tmp_path / requirement.replace("/", "_"))]
        return run(["models", "publish", bundle, *target, "--min-robust-accuracy", requirement])

    assert publish("pgd@linf:0.5/255=0") == ExitCode.DONE
    assert publish(f"{ATTACK}=0") == ExitCode.DONE
    assert publish("apgd@linf:1/255=0") == ExitCode.FAILED
    assert "is not measured" in capsys.readouterr().err
    assert publish("pgd@linf:1/255") == ExitCode.USAGE
