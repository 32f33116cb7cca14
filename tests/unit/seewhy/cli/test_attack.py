"""`seewhy attack`, as a user runs it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import bundle as bundles
from models.bundle import Bundle
from seewhy.cli import run
from seewhy.cli.exit_codes import ExitCode

pytestmark = pytest.mark.usefixtures("wide")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Noise that is reddish, greenish or grey, in folders named in three ways."""
    root, generator = tmp_path / "photos", np.random.default_rng(0)
    for name, colour in {"red": (150, 60, 60), "1": (60, 150, 60), "gray": (60, 60, 60)}.items():
        (root / name).mkdir(parents=True)
        for number in range(3):
            noise = generator.integers(0, 40, (32, 32, 3))
            Image.fromarray((colour + noise).astype(np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def bundle(tmp_path: Path, tiny_bundle: Bundle) -> Path:
    return Path(shutil.copytree(tiny_bundle.directory, tmp_path / "bundles" / "tiny" / "1"))


def test_it_prints_what_attacks_leave_and_carlinis_checks(
    photos: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, page = tmp_path / "out.json", tmp_path / "report.html"
    words = ["attack", str(bundle), str(photos), "-o", str(results), "--report", str(page)]

    assert run(words) == ExitCode.DONE

    out = capsys.readouterr().out
    assert "AlexNet" not in out  # whose classes are others
    assert "Right at every angle: " in out
    assert "Corruption error, on average over severities [1, 2, 3, 4, 5]: gaussian_noise " in out
    assert f"<h1>{bundles.read(bundle)}</h1>" in page.read_text(encoding="utf-8")
    for said in (
        "Right as they are:",
        "worst",
        "apgd",
        "square",
        "Smallest perturbation",
        "L2",
        "Squeezing (",
    ):
        assert said in out
    assert out.count("holds: ") + out.count("FAILS: ") == 5
    assert json.loads(results.read_text())["subject"]["images"] == 9
    assert bundles.read(bundle).manifest.metrics == {}


def test_the_manifest_gets_the_accuracies_on_demand(
    photos: Path, bundle: Path, tmp_path: Path
) -> None:
    results, target = str(tmp_path / "out.json"), str(tmp_path / "repository")
    publish = ["models", "publish", str(bundle), "--repository", target]
    publish += ["--min-robust-accuracy", "pgd@linf:64/255=0"]
    assert run(publish) == ExitCode.FAILED

    assert run(["attack", str(bundle), str(photos), "-o", results, "--record"]) == ExitCode.DONE

    recorded = bundles.read(bundle)
    bundles.verify(recorded)
    assert recorded.manifest.metrics["robust_accuracy_pgd@linf:64/255"] == 0
    assert recorded.manifest.squeezing is not None
    assert recorded.manifest.squeezing.images == 4
    assert run(publish) == ExitCode.DONE


def test_a_folder_that_names_no_class_is_refused(
    photos: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "red").rename(photos / "purple")

    code = run(["attack", str(bundle), str(photos), "-o", str(tmp_path / "out.json")])

    assert code == ExitCode.FAILED
    assert "'purple' is no class of this model" in capsys.readouterr().err
