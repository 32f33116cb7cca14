"""What clients and operators do to a server: it is a process of its own, on the tiny bundle."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Event

import httpx
import numpy as np
import pytest
from PIL import Image

SECONDS = 30


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    port: int
    repository: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def stop(self) -> tuple[int, str]:
        """Send SIGTERM; the exit code and the log."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, log


@pytest.fixture
def server(tiny_repository: Path, tmp_path: Path) -> Iterator[Server]:
    shutil.copytree(tiny_repository, tmp_path / "repository")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = (
        "from service.server import serve\n"
        "from service.settings import Settings\n"
        f"serve(Settings(repository={str(tmp_path / 'repository')!r}, port={port}, "
        "provider='cpu', threads=1, shutdown_seconds=10))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    try:
        wait_until_loaded(f"http://127.0.0.1:{port}")
        yield Server(process, port, tmp_path / "repository")
    finally:
        process.kill()
        process.communicate()


def wait_until_loaded(url: str) -> None:
    pause = Event()
    with httpx.Client(timeout=SECONDS) as client:
        for _ in range(SECONDS * 20):
            try:
                (model,) = client.get(f"{url}/readyz").json()["models"]
            except httpx.TransportError:
                pass
            else:
                if all(graph["state"] == "ready" for graph in model["graphs"].values()):
                    return
            pause.wait(0.05)
    pytest.fail("the server does not answer")


def request_of(photo: bytes) -> bytes:
    return b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(photo) + photo


def answers(server: Server, photo: bytes) -> bool:
    response = httpx.post(f"{server.url}/classify", content=photo, timeout=SECONDS)
    return response.status_code == 200


def test_sigterm_under_load_loses_no_request_that_was_taken(server: Server) -> None:
    large = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (800, 800, 3), dtype=np.uint8)
    Image.fromarray(noise).save(large, "PNG", compress_level=1)
    several = [("images", large.getvalue())] * 7

    def ask() -> int:
        return httpx.post(f"{server.url}/classify", files=several, timeout=SECONDS).status_code

    with ThreadPoolExecutor() as clients:
        asking = [clients.submit(ask) for _ in range(4)]
        wait_until_answered(server, images=1)  # of 28
        code, log = server.stop()
        statuses = [status.result(SECONDS) for status in asking]
    assert (code, statuses) == (0, [200] * 4), log
    assert "Traceback" not in log
    with pytest.raises(OSError, match="refused"):
        server.connect()


def wait_until_answered(server: Server, *, images: int) -> None:
    """Wait until so many images have their results."""
    pause = Event()
    count = re.compile(r'stage_seconds_count{route="/classify",stage="decode"} (.+)')
    with httpx.Client(timeout=SECONDS) as client:
        for _ in range(SECONDS * 100):
            found = count.search(client.get(f"{server.url}/metrics").text)
            if found and float(found[1]) >= images:
                return
            pause.wait(0.01)
    pytest.fail("nothing is answered")


def test_slow_and_silent_clients_hold_up_nobody(server: Server, red_left: bytes) -> None:
    whole = request_of(red_left)
    with server.connect() as drop_by_drop, server.connect() as silent, server.connect() as deaf:
        silent.sendall(whole[:20])
        deaf.sendall(whole * 50)  # pipelined, and none of the answers is ever read
        for byte in whole[:40]:
            drop_by_drop.sendall(bytes([byte]))
            assert answers(server, red_left)
    code, log = server.stop()
    assert code == 0, log
    assert "Traceback" not in log


@pytest.mark.parametrize("line", [b"a" * 10_000, b"A: b\r\n" * 2_000], ids=["one", "many"])
def test_headers_without_end_are_refused(server: Server, red_left: bytes, line: bytes) -> None:
    with server.connect() as endless:
        endless.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: ")
        # The server may have closed the connection before all of it is sent.
        with suppress(ConnectionError):
            for _ in range(100):
                endless.sendall(line)
        with suppress(ConnectionError):
            assert endless.recv(12) in (b"HTTP/1.1 400", b"")
    assert answers(server, red_left)


def test_a_body_that_does_not_come_is_answered_in_time(server: Server) -> None:
    with server.connect() as slow:
        slow.sendall(
            b"POST /classify?timeout_ms=50 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na"
        )
        assert slow.recv(12) == b"HTTP/1.1 504"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_clients_that_disconnect_leave_nothing_behind(
    server: Server, red_left: bytes, share: float
) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))

    whole = request_of(red_left)
    if not Path("/proc").is_dir():
        pytest.skip("only Linux shows a process's descriptors")
    assert answers(server, red_left)
    before = descriptors()
    for _ in range(50):
        with server.connect() as gone:
            gone.sendall(whole[: int(share * len(whole))])
    assert answers(server, red_left)
    pause = Event()
    for _ in range(200):
        if descriptors() <= before + 1:
            break
        pause.wait(0.02)
    assert descriptors() <= before + 1
    metrics = httpx.get(f"{server.url}/metrics").text
    assert 'seewhy_queue_rows{graph="model",model="tiny",version="1"} 0.0' in metrics


def test_a_bundle_that_is_deleted_while_it_is_served_goes_on_answering(
    server: Server, red_left: bytes
) -> None:
    shutil.rmtree(server.repository / "tiny")
    assert answers(server, red_left)
    explained = httpx.post(f"{server.url}/explain", content=red_left, timeout=SECONDS)
    assert explained.status_code == 200
    assert httpx.get(f"{server.url}/readyz").json()["ready"] is True
    assert httpx.get(f"{server.url}/models/tiny").status_code == 404
