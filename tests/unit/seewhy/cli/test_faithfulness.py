import shutil
from pathlib import Path

import pytest

from models import bundle as bundles
from seewhy.cli import run

ROOT = Path(__file__).parents[4]
BUNDLE = ROOT / "models" / "zoo" / "efficientnet_lite0" / "1"


def test_a_method_that_is_not_possible_is_refused(
    tiny_repository: Path, noughts_and_ones: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["faithfulness", str(tiny_repository / "tiny" / "1"), str(noughts_and_ones)]
    assert run([*asked, "--method", "cam"]) == 2
    assert "possible methods: gradient, " in capsys.readouterr().err


def test_a_narrow_terminal_breaks_no_word_of_the_table(
    tmp_path: Path,
    tiny_repository: Path,
    red_left: bytes,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for index in ("0", "1"):
        (tmp_path / index).mkdir()
        (tmp_path / index / "red.png").write_bytes(red_left)
    asked = ["faithfulness", str(tiny_repository / "tiny" / "1"), str(tmp_path)]
    run([*asked, "--method", "integrated_gradients", "--images", "2"])
    headings = next(line for line in capsys.readouterr().out.splitlines() if "method" in line)
    assert headings.split() == ["method", "insert", "delete", "score", "drop", "more", "passes"]


@pytest.mark.smoke
@pytest.mark.slow
def test_it_compares_recommends_and_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(BUNDLE, bundle)
    for index in ("282", "285"):
        photo = tmp_path / "photos" / index / "cat.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "docs" / "samples" / "cat.jpg", photo)
    asked = ["faithfulness", str(bundle), str(tmp_path / "photos"), "--method", "cam"]
    assert run([*asked, "--images", "2", "--record"]) == 0
    said = capsys.readouterr().out
    assert "insert" in said
    assert "Recommended: cam" in said
    recorded = bundles.read(bundle)
    bundles.verify(recorded)
    assert recorded.manifest.default_explanation == "cam"
