"""The zoo's table, and the command that writes it."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from training.backbones import ZOO
from training.zoo.__main__ import main
from training.zoo.check import Row
from training.zoo.table import table


def test_the_table_has_a_line_for_each_row_and_says_what_failed(good: Row) -> None:
    page = table([good, replace(good, name="other_net")], {"other_net": "logits 1e-3 > 1e-5"})

    assert re.search(r"^\| some_net \| 1\.00M \| .* \| 2\.5 \|$", page, re.MULTILINE)
    assert "| other_net |" in page
    assert "**other_net**: logits 1e-3 > 1e-5" in page


def test_the_committed_table_has_every_backbone_of_the_zoo() -> None:
    page = (Path(__file__).parents[4] / "docs" / "zoo.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\w+) \| [\d.]+M", page, re.MULTILINE)

    assert listed == [backbone.name for backbone in ZOO]


def test_the_command_fails_where_a_backbone_does(
    good: Row, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"good": good, "off": replace(good, name="off", gradient64=2e-9)}
    monkeypatch.setattr("training.zoo.__main__._in_own_process", rows.__getitem__)

    assert main(["good"]) == 0
    assert main(["good", "off"]) == 1
    assert main(["absent", "good"]) == 1

    printed = capsys.readouterr()
    assert "off: float64 gradient: 2.0e-09" in printed.err
    assert "absent: KeyError" in printed.err


@pytest.mark.slow
@pytest.mark.smoke
def test_the_command_checks_backbones_and_writes_the_table(tmp_path: Path) -> None:
    page = tmp_path / "zoo.md"

    done = subprocess.run(
        [sys.executable, "-m", "training.zoo", "lenet5", "squeezenet1_1", "--output", str(page)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["name"] for row in rows] == ["lenet5", "squeezenet1_1"]
    assert rows[1]["parameters"] == 1_235_496  # the authors' 1.24 million
    assert "| squeezenet1_1 |" in page.read_text(encoding="utf-8")
