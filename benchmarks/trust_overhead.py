"""What saying how far to trust an answer costs a `/classify`, in CPU time.

One bundle is served three times in this process: without its calibration and its reference, as it
is, and without once more, to show what chance does. The same photo is sent to all in turn, in an
order drawn anew each time, and the CPU time of the whole process is taken: what the machine does
besides slows all alike, and does not count as work.

    python benchmarks/trust_overhead.py BUNDLE PHOTO --requests 2000
"""

import argparse
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
from starlette.testclient import TestClient

from models import bundle as bundles
from models.reference import REFERENCE
from service.app import create_app
from service.settings import Settings

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Measure, and print the ratios of the medians with their 95% bootstrap intervals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, help="folder of a calibrated bundle")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--requests", type=int, default=2000)
    asked = parser.parse_args()
    photo = asked.photo.read_bytes()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clients = [
            stack.enter_context(TestClient(create_app(settings)))
            for settings in (
                _served(asked.bundle, folder / "plain", trusted=False),
                _served(asked.bundle, folder / "trusted", trusted=True),
                _served(asked.bundle, folder / "control", trusted=False),
            )
        ]
        _warm_up(clients, photo)
        seconds = _timed(clients, photo, asked.requests)
    for name, column in (("with trust", 1), ("control", 2)):
        ratio, low, high = _ratio(seconds[:, [0, column]])
        print(f"{name}: {ratio:.4f} times as much (95% of resamples: {low:.4f} to {high:.4f})")
    print(f"without: {1000 * np.median(seconds[:, 0]):.2f} ms")


def _served(source: Path, root: Path, *, trusted: bool) -> Settings:
    """The bundle alone in a repository."""
    manifest = bundles.read(source).manifest
    directory = root / manifest.name / "1"
    shutil.copytree(source, directory)
    if not trusted:
        (directory / REFERENCE).unlink()
        fields = manifest.model_dump(mode="json", exclude={"sha256"})
        bundles.write_manifest(directory, {**fields, "calibration": None})
    return Settings(repository=root, provider="cpu", threads=1, tune="off")


def _warm_up(clients: list[TestClient], photo: bytes) -> None:
    """Wait for what is done once in the background: other graphs, and what windows look like."""
    _, trusted, _ = clients
    for client in clients:
        while "loading" in client.get("/readyz").text:
            time.sleep(0.1)
    window = trusted.get("/drift").json()["window"]
    _timed(clients, photo, window)
    while not trusted.get("/drift").json()["windows"]:
        time.sleep(0.1)


def _timed(clients: list[TestClient], photo: bytes, requests: int) -> Floats:
    """CPU seconds [requests, clients]."""
    generator = np.random.default_rng(0)
    seconds = np.empty((requests, len(clients)))
    for row in seconds:
        for index in generator.permutation(len(clients)):
            started = time.process_time()
            clients[index].post("/classify", content=photo).raise_for_status()
            row[index] = time.process_time() - started
    return seconds


def _ratio(seconds: Floats) -> tuple[float, float, float]:
    """The second column's median over the first's, and its interval."""
    generator = np.random.default_rng(1)
    rows = generator.integers(len(seconds), size=(500, len(seconds)))
    plain, other = np.median(seconds[rows], axis=1).T
    low, high = np.quantile(other / plain, [0.025, 0.975])
    plain, other = np.median(seconds, axis=0)
    return float(other / plain), float(low), float(high)


if __name__ == "__main__":
    main()
