"""A real server, in a process of its own, on the loopback interface."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import httpx
import pytest

from seewhy import Client

SECONDS = 30


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture
def server(tiny_repository: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    arguments = f"repository={str(tiny_repository)!r}, port={port}, provider='cpu', threads=1"
    program = (
        "from service.server import serve\n"
        "from service.settings import Settings\n"
        f"serve(Settings({arguments}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until_up(url: str, process: subprocess.Popen[str]) -> None:
    pause = Event()
    for _ in range(SECONDS * 20):
        assert process.poll() is None, process.communicate()[1]
        try:
            httpx.get(f"{url}/healthz", timeout=1).raise_for_status()
        except httpx.TransportError:
            pause.wait(0.05)
        else:
            return
    pytest.fail("the server does not answer")


def test_a_server_answers_refuses_too_much_and_stops_when_told(
    server: subprocess.Popen[str], port: int, red_left: bytes
) -> None:
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url, server)
    with httpx.Client(base_url=url, timeout=SECONDS) as client:
        classified = client.post("/classify", content=red_left)
        assert classified.json()["predictions"][0]["label"] == "red"
        zeros = client.post("/classify", content=bytes(50_000_000))
        assert zeros.status_code == 413
        assert zeros.headers["Content-Type"] == "application/problem+json"
        chunked = client.post("/classify", content=(bytes(10**6) for _ in range(50)))
        assert chunked.status_code == 413
    # A client that goes away in the middle of its body.
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as gone:
        gone.sendall(b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
    assert httpx.get(f"{url}/readyz").json()["ready"] is True
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=SECONDS)
    assert server.returncode == 0, log
    assert "Traceback" not in log


def test_a_client_waits_for_checks_that_take_longer_than_its_timeout(
    server: subprocess.Popen[str], port: int, red_left: bytes
) -> None:
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url, server)

    # By its checks the call has 26 times as long, which they need unless the machine is quick.
    with Client(url, timeout=0.5) as client:
        found = client.robustness(red_left, level="thorough")

    assert len(found.robustness.checks) == 13


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_still_loading_stops_at_once(
    tiny_repository: Path, port: int, number: signal.Signals
) -> None:
    program = (
        "import time\n"
        "from service import server\n"
        "from service.settings import Settings\n"
        "def load(*_):\n"
        "    print('loading', flush=True)\n"
        "    time.sleep(60)\n"
        "create = server.create_app\n"
        "server.create_app = lambda settings: create(settings, open_graph=load)\n"
        f"server.serve(Settings(repository={str(tiny_repository)!r}, port={port}))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(number)
    _, log = process.communicate(timeout=SECONDS)
    assert process.returncode == -number
    assert log == ""


def test_a_server_that_cannot_start_raises_our_error(tmp_path: Path, port: int) -> None:
    program = (
        "from models.errors import BundleNotFound\n"
        "from service.server import serve\n"
        "from service.settings import Settings\n"
        "try:\n"
        f"    serve(Settings(repository={str(tmp_path)!r}, port={port}, provider='cpu'))\n"
        "except BundleNotFound as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert "there is no bundle in the repository" in done.stdout
    assert done.stderr == ""


def test_the_service_needs_no_torch() -> None:
    program = (
        "import sys, service.app, service.server\n"
        "print(sorted({'torch', 'torchvision', 'timm', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert done.stdout.strip() == "[]"
