from pathlib import Path

import pytest

from seewhy.cli import run

pytestmark = pytest.mark.usefixtures("wide")


def test_backbones_are_compared_in_a_table_and_a_page(
    noughts_and_ones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "compared.html"
    arguments = ["compare", str(noughts_and_ones), "--backbone", "linear", "--backbone", "lenet5"]

    assert run([*arguments, "--weights", "none", "-o", str(page)]) == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "(none)" in line]
    assert [row[0] for row in rows] == ["linear", "lenet5"]
    written = page.read_text(encoding="utf-8")
    assert written.count("<svg") == 2
    assert "<h1>noughts and ones</h1>" in written


def test_depths_are_compared_too(
    noughts_and_ones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "compared.html"
    arguments = ["compare", str(noughts_and_ones), "--backbone", "linear", "--weights", "none"]

    assert run([*arguments, "--depth", "head", "--depth", "full", "-o", str(page)]) == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "(none)" in line]
    assert [row[2] for row in rows[1:]] == ["head", "full"]
    assert "What training adds" in page.read_text(encoding="utf-8")


def test_each_backbone_can_have_its_own_weights(
    noughts_and_ones: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", str(noughts_and_ones), "--backbone", "lenet5", "--backbone", "mlp"]

    assert run([*arguments, "--weights", "none", "--weights", "nowhere.pth"]) == 1

    assert "there is no file nowhere.pth" in capsys.readouterr().err
