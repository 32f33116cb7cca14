"""The Dockerfile's own commands for the serving image, in a clean virtual environment."""

import json
import os
import re
import shlex
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 600


def stage(name: str) -> str:
    """The Dockerfile's text of one stage, continued lines joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return next(part for part in text.split("\nFROM ") if f" AS {name}\n" in part)


@pytest.mark.slow
@pytest.mark.smoke
def test_its_commands_install_and_serve_without_torch(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    bin_folder, copy = tmp_path / "venv" / "bin", tmp_path / "copy"
    venv.create(bin_folder.parent, with_pip=True)
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)

    def run(command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["bash", "-ec", command], cwd=copy, env=environment, timeout=SECONDS, check=False
        )

    for text in (stage("base"), stage("serving")):
        for sources, target in re.findall(r"^COPY (.+) (\S+)$", text, re.MULTILINE):
            for source in sources.split():
                there = copy / (source if target == "./" else target)
                there.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, there)
    (install,) = re.findall(r"^RUN (.+)$", stage("serving"), re.MULTILINE)
    assert run(install).returncode == 0
    assert run("python -c 'import torch'").returncode != 0

    (check,) = re.findall(r"CMD (\[.+\])$", stage("serving").split("\nCMD ")[0], re.MULTILINE)
    (start,) = re.findall(r"^CMD (\[.+\])$", stage("serving"), re.MULTILINE)
    environment["SEEWHY_PORT"] = str(free_port())
    healthy = shlex.join(json.loads(check)).replace("8000", environment["SEEWHY_PORT"])
    command = [part.replace("0.0.0.0", "127.0.0.1") for part in json.loads(start)]  # noqa: S104
    server = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        pause = Event()
        while run(healthy).returncode != 0:
            assert server.poll() is None
            pause.wait(1)
    finally:
        server.terminate()
    assert server.wait(60) == 0
