import re
from pathlib import Path

import pytest

from seewhy.cli import run
from training.advisor import FAR, MUCH


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables be as wide as they like."""
    monkeypatch.setenv("COLUMNS", "400")


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
