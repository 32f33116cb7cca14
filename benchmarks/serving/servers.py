"""The servers that are compared, each in an environment of its own, started and stopped here."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUNDLE = ROOT / "models/zoo/efficientnet_lite0/1"
MODEL = BUNDLE / "model.onnx"

PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Server:
    """How to start one; `body` is what it takes, `raw` or `form`."""

    name: str
    command: tuple[str, ...]
    body: str = "raw"
    environment: dict[str, str] = field(default_factory=dict)


def seewhy(environment: Mapping[str, str] | None = None) -> Server:
    """SeeWhy, from this interpreter's environment, as it is set up by default but for some."""
    command = (sys.executable, "-m", "seewhy", "serve", "--provider", "cpu")
    return Server("SeeWhy", command, environment=dict(environment or {}))


def peer(name: str, folder: str, environments: Path, body: str) -> Server:
    """One of `peers/`, with what its requirements ask for installed under `environments`."""
    home = environments / folder
    python = home / "bin/python"
    if not python.exists():
        venv.create(home, with_pip=True)
        requirements = HERE / "peers" / folder / "requirements.txt"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    return Server(name, (str(python), str(HERE / "peers" / folder / "server.py")), body)


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    pid: int


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """Start a server, wait until it classifies, and stop it with all its processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "MODEL": str(MODEL),
        "PORT": str(port),
        "SEEWHY_PORT": str(port),
        **server.environment,
    }
    process = subprocess.Popen(
        server.command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait(port, process)
        yield Running(f"http://127.0.0.1:{port}/classify", process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
        _end_orphans(process.pid)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return  # it answers, if only that there is no such page
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not answer")


def _end_orphans(session: int) -> None:
    """Kill what a server leaves behind: it would take the cores from what is measured next."""
    for _ in range(PATIENCE_SECONDS * 10):
        left = {int(fields[2]) for fields in _session(session)}  # process groups
        if not left:
            return
        time.sleep(0.1)
        for group in left:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    raise TimeoutError("the server's processes do not end")


def cpu_seconds(pid: int) -> float:
    """Processor time of a session's processes so far, in seconds (Linux)."""
    return sum(float(fields[11]) + float(fields[12]) for fields in _session(pid)) / os.sysconf(
        "SC_CLK_TCK"
    )


def resident_megabytes(pid: int) -> float:
    """Memory that a session's processes hold, what they share counted for each."""
    return sum(int(fields[21]) for fields in _session(pid)) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _session(leader: int) -> Iterator[list[str]]:
    """/proc/<pid>/stat of each living process of a session, from its third field on."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            yield fields
