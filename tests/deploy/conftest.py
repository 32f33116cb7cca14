"""A service and a Prometheus that scrapes it, each a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"
SECONDS = 60

Start = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def start_service(free_port: Callable[[], int]) -> Start:
    """Starts the service with some settings; gives the `host:port` where it will answer."""

    @contextmanager
    def start(**settings: Any) -> Iterator[str]:
        port = free_port()
        given = {**settings, "port": port, "provider": "cpu", "threads": 1}
        program = (
            "from service.server import serve\n"
            "from service.settings import Settings\n"
            f"serve(Settings(**{given!r}))\n"
        )
        process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()

    return start


@pytest.fixture(scope="session")
def start_prometheus(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Start:
    """Starts a Prometheus that scrapes a service every second, with our rules; its address."""

    @contextmanager
    def start(service: str) -> Iterator[str]:
        folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "seewhy", "static_configs": [{"targets": [service]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(SECONDS)

    return start


@pytest.fixture(scope="session")
def values() -> Callable[[str, str], list[float]]:
    """What a Prometheus answers to a query now: a number for each series."""

    def values(prometheus: str, query: str) -> list[float]:
        query = query.replace("$__rate_interval", "30s")
        answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=SECONDS)
        found = answer.raise_for_status().json()["data"]["result"]
        return [float(series["value"][1]) for series in found]

    return values
