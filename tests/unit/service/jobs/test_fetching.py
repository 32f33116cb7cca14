"""Files from the network: which hosts are asked, and for what."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from models.errors import DataError
from service.jobs import fetching

ANSWERS = {"/a.zip": (200, bytes(5000)), "/moved.zip": (302, b""), "/gone.zip": (404, b"")}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        self.server.asked.append(self.headers["Host"])  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Location", "http://169.254.169.254/a.zip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A server that stands for `files.test`, whose address counts as public."""
    monkeypatch.setattr(fetching, "public_address", lambda *_: "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.asked = []  # type: ignore[attr-defined]
        thread = Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def fetch(server: ThreadingHTTPServer, path: str, file: Path, most: int = 5000) -> None:
    url = fetching.check(f"http://files.test:{server.server_port}{path}", ["files.test"])
    fetching.fetch(url, file, most)


def test_the_address_that_was_judged_is_asked_by_the_hosts_name(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    fetch(server, "/a.zip", tmp_path / "a.zip")

    assert (tmp_path / "a.zip").read_bytes() == bytes(5000)
    assert server.asked == [f"files.test:{server.server_port}"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "most", "named"),
    [("/a.zip", 4999, "more bytes"), ("/moved.zip", 9, "302"), ("/gone.zip", 9, "404")],
)
def test_what_is_no_file_for_a_job_is_refused(
    server: ThreadingHTTPServer, tmp_path: Path, path: str, most: int, named: str
) -> None:
    with pytest.raises(DataError, match=named):
        fetch(server, path, tmp_path / "a.zip", most)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
        "100.64.0.1", "::1", "fe80::1%lo", "fd00::1", "::ffff:127.0.0.1", "224.0.0.1",
    ],
)  # fmt: skip
def test_no_private_address_is_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    entries = [(0, 0, 0, "", (found, 80)) for found in ("93.184.215.14", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)

    with pytest.raises(DataError, match="not public"):
        fetching.public_address("files.test", 80)


def test_a_public_address_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(0, 0, 0, "", ("93.184.215.14", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)

    assert fetching.public_address("files.test", 80) == "93.184.215.14"
