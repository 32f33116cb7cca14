"""The tutorial's commands, run one after the other as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from pyarrow import parquet

from models.repository import Repository
from seewhy.cli import run

ROOT = Path(__file__).parent.parent
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def test_its_commands_have_the_options_that_it_gives_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [shlex.split(line) for line in re.findall(r"^seewhy (.+)$", TUTORIAL, re.MULTILINE)]
    assert len(lines) > 3
    for words in lines:
        assert run([words[0], "--help"]) == 0
        helped = capsys.readouterr().out
        assert [word for word in words if word.startswith("-") and word not in helped] == []


@pytest.mark.slow
def test_the_tutorial_leads_from_photos_to_a_model_that_serves(tmp_path: Path) -> None:
    commands = "".join(re.findall(r"^```sh\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in {"python": "", "seewhy": " -m seewhy"}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    bundle = Repository(tmp_path / "build" / "cloth").open("cloth")
    assert bundle.manifest.labels == ("global", "local", "nominal")
    # Of all 2000 photos such features tell three in four right; chance is one in three.
    assert bundle.manifest.metrics["balanced_accuracy"] > 0.55
    with Image.open(tmp_path / "heat.png") as heat:
        assert heat.size == (250, 250)
    rows = parquet.read_table(tmp_path / "scores")
    assert rows.num_rows == 500
    assert set(rows["label"].to_pylist()) <= set(bundle.manifest.labels)
