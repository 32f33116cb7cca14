"""The README's commands, run as a new user runs them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = ROOT / "docs" / "samples" / "cat_gradcam.png"
SET_UP_SECONDS = 600
SERVER_SECONDS = 900


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a document that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The shell commands of the README in order, continued lines joined."""
    return "".join(blocks("sh")).replace("\\\n", "").splitlines()


def commands_of(program: str) -> list[str]:
    """Those that start with a program."""
    return [line for line in commands() if line.startswith(f"{program} ")]


def test_the_readme_opens_with_its_two_commands() -> None:
    assert commands()[:2] == ["make serve", "make test"]


def test_ci_runs_the_readme_s_test_command() -> None:
    assert commands()[1] in (ROOT / ".ci" / "run").read_text()


@dataclass(frozen=True)
class NewUser:
    """A fresh copy of the project, served by `make serve`."""

    folder: Path
    port: int

    def run(self, command: list[str]) -> str:
        """Run a command of the README, at this server's port, and return what it prints."""
        here = [part.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}") for part in command]
        done = subprocess.run(
            here,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SET_UP_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{here}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def new_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewUser]:
    """Copy what git would clone into an empty folder and run the README's first command."""
    folder = tmp_path_factory.mktemp("fresh") / "seewhy"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "serve.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            # It ends by itself even where this process cannot end it.
            ["bash", "-c", f"(sleep {SERVER_SECONDS}; kill 0) & {commands()[0]}"],
            cwd=folder,
            env={**os.environ, "SEEWHY_PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # make and the server are stopped together
        )
    try:
        _wait_until_ready(server, port, log)
        yield NewUser(folder, port)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SET_UP_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").json()["ready"]:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"not ready in {SET_UP_SECONDS} s: {log.read_text()}")


@pytest.mark.slow
@pytest.mark.smoke
def test_a_new_user_can_copy_every_curl_line(new_user: NewUser) -> None:
    one, several, _ = [new_user.run(["bash", "-c", line]) for line in commands_of("curl")]

    assert "cat" in json.loads(one)["predictions"][0]["label"]
    cat, coffee = json.loads(several)["results"]
    assert "cat" in cat["predictions"][0]["label"]
    assert "espresso" in coffee["predictions"][0]["label"]
    with Image.open(new_user.folder / "heat.png") as heat, Image.open(SHOWN) as shown:
        difference = np.asarray(heat, dtype=float) - np.asarray(shown, dtype=float)
    assert np.abs(difference).mean() < 1  # of 255: what the README shows is what one gets


@pytest.mark.slow
@pytest.mark.smoke
def test_a_new_user_can_copy_every_seewhy_line(new_user: NewUser) -> None:
    classified, _, listed = [
        new_user.run(["bash", "-c", line]) for line in commands_of(".venv/bin/seewhy")
    ]

    assert "espresso" in classified
    assert "efficientnet_lite0" in listed


@pytest.mark.slow
@pytest.mark.smoke
def test_a_new_user_can_copy_the_python_lines(new_user: NewUser) -> None:
    client = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    programs = blocks("python") + blocks("python", client)

    assert len(programs) == 3
    assert all("cat" in new_user.run([".venv/bin/python", "-c", each]) for each in programs)


@pytest.mark.slow
@pytest.mark.smoke
def test_what_serves_has_no_torch(new_user: NewUser) -> None:
    lookup = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('service').name)"

    assert new_user.run([".venv/bin/python", "-c", lookup]).split() == ["None", "service"]


@pytest.mark.slow
@pytest.mark.smoke
def test_set_up_does_nothing_the_second_time(new_user: NewUser) -> None:
    started = time.monotonic()

    assert "Nothing to be done" in new_user.run(["make", "install"])
    assert time.monotonic() - started < 5
