"""`seewhy train`, as a user runs it."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from seewhy.cli import run
from seewhy.cli.exit_codes import ExitCode


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's zeros and ones as photos."""
    root = tmp_path_factory.mktemp("data") / "digits"
    images = zip(*load_digits(n_class=2, return_X_y=True), strict=True)
    for number, (pixels, label) in enumerate(images):
        path = root / f"digit {label}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = Image.fromarray((pixels.reshape(8, 8) * 15).astype(np.uint8))
        grey.resize((32, 32), Image.Resampling.BICUBIC).save(path)
    return root


def train(digits: Path, target: Path, *options: str) -> int:
    backbone = ["--backbone", "lenet5", "--weights", "none"]
    return run(["train", str(digits), "--output", str(target), *backbone, *options])


def test_the_precision_that_was_asked_for_is_published_and_shown(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(digits, tmp_path, "--precision", "int8") == ExitCode.DONE
    assert re.search(r"^int8 answers .* points of accuracy", capsys.readouterr().err, re.MULTILINE)

    assert run(["models", "show", "digits", "--repository", str(tmp_path)]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert re.search(r"precision +int8", shown)
    assert "fp32_drop" in shown


@pytest.mark.parametrize("option", [("--precision", "fp8"), ("--max-drop", "-1")])
def test_a_precision_or_a_drop_out_of_range_is_a_usage_error(
    digits: Path, tmp_path: Path, option: tuple[str, str]
) -> None:
    assert train(digits, tmp_path, *option) == ExitCode.USAGE
