"""The servers that are compared, each in an environment of its own, started and stopped here."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUNDLE = ROOT / "models/zoo/efficientnet_lite0/1"
MODEL = BUNDLE / "model.onnx"

SERVE = ("serve", "--provider", "cpu")

START_SECONDS = 120
PATIENCE_SECONDS = 10

Processes = dict[int, list[str]]
"""By process: /proc/<pid>/stat, from its third field on."""
PARENT, SESSION, BIRTH = 1, 3, 19


@dataclass(frozen=True)
class Server:
    """How to start one; `body` is what it takes at `path`, `raw` or `form`."""

    name: str
    command: tuple[str, ...]
    body: str = "raw"
    path: str = "/classify"
    environment: dict[str, str] = field(default_factory=dict)


def seewhy(environment: Mapping[str, str] | None = None) -> Server:
    """SeeWhy, from this interpreter's environment, as it is set up by default but for some."""
    command = (sys.executable, "-m", "seewhy", *SERVE)
    return Server("SeeWhy", command, environment=dict(environment or {}))


def seewhy_as_peers_decode() -> Server:
    """The same, but that photos are decoded and resized as by the peers."""
    command = (sys.executable, "-m", "benchmarks.serving.peers_decoder", *SERVE)
    return Server("SeeWhy, the peers' decoder", command)


def peers(environments: Path) -> list[Server]:
    """All of `peers/`."""
    return [
        peer("FastAPI handler", "fastapi_handler", environments),
        peer("LitServe", "litserve", environments, body="form"),
        peer("BentoML", "bentoml", environments),
        peer("MLServer", "mlserver", environments),
        peer("Ray Serve", "ray_serve", environments),
        peer("TorchServe", "torchserve", environments, path="/predictions/classify"),
    ]


def peer(
    name: str, folder: str, environments: Path, body: str = "raw", path: str = "/classify"
) -> Server:
    """One of `peers/`, with what its requirements ask for installed under `environments`."""
    home = environments.resolve() / folder
    python = home / "bin/python"
    if not python.exists():
        venv.create(home, with_pip=True)
        requirements = HERE / "peers" / folder / "requirements.txt"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    return Server(name, (str(python), str(HERE / "peers" / folder / "server.py")), body, path)


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    pid: int


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """Start a server, wait until it classifies, and stop it with all its processes.

    It works in a folder of its own, which goes with what it wrote there: logs, sockets, archives.
    """
    with tempfile.TemporaryDirectory() as folder, _started(server, folder) as up:
        yield up


@contextmanager
def _started(server: Server, folder: str) -> Iterator[Running]:
    port = _free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{HERE / 'peers'}",
        "OMP_NUM_THREADS": "1",
        "MODEL": str(MODEL),
        "PORT": str(port),
        "SEEWHY_PORT": str(port),
        "TMPDIR": folder,
        **server.environment,
    }
    process = subprocess.Popen(
        server.command,
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}{server.path}"
    try:
        _wait(url, server.body, process)
        yield Running(url, process.pid)
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(url: str, body: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    with httpx.Client() as client:
        while time.monotonic() < end:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}")
            if _classifies(client, url, body):
                return
            time.sleep(0.01)
    raise TimeoutError("the server does not answer")


def _classifies(client: httpx.Client, url: str, body: str) -> bool:
    """Whether it does; some answer before their models are there."""
    encoded = BytesIO()
    Image.new("RGB", (256, 256)).save(encoded, "JPEG")
    photo = encoded.getvalue()
    try:
        if body == "form":
            return client.post(url, files={"images": photo}).is_success
        return client.post(url, content=photo, headers={"Content-Type": "image/jpeg"}).is_success
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to end, then kill what it leaves behind: it would take the next one's cores."""
    known = {(pid, fields[BIRTH]) for pid, fields in _processes(process.pid).items()}
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=PATIENCE_SECONDS)
    for _ in range(PATIENCE_SECONDS * 10):
        left = {pid for pid, fields in _living().items() if (pid, fields[BIRTH]) in known}
        left |= _processes(process.pid).keys()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            process.wait()
            return
        time.sleep(0.1)
    raise TimeoutError("the server's processes do not end")


def cpu_seconds(pid: int) -> float:
    """Processor time of a server's processes so far, in seconds (Linux)."""
    ticks = sum(int(fields[11]) + int(fields[12]) for fields in _processes(pid).values())
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """Memory that a server's processes hold, what they share counted for each."""
    pages = sum(int(fields[21]) for fields in _processes(pid).values())
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _processes(leader: int) -> Processes:
    """Those of a session, and what they started: some servers put theirs into other sessions."""
    living = _living()
    found = {pid for pid, fields in living.items() if int(fields[SESSION]) == leader}
    while more := {pid for pid, fields in living.items() if int(fields[PARENT]) in found} - found:
        found |= more
    return {pid: living[pid] for pid in found}


def _living() -> Processes:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if fields[0] != "Z":
                found[int(path.parent.name)] = fields
    return found
