"""What saying how far to trust an answer costs a `/classify`.

One bundle is served three times in this process: without its calibration, as it is, and without
once more, to show what chance does. The same photo is sent to all in turn, in an order drawn
anew each time, so that what the machine does besides slows all alike.

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
from service.app import create_app
from service.settings import Settings

WARM_UP = 50

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Measure, and print the ratios of the medians with their 95% bootstrap intervals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, help="folder of a calibrated bundle")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--requests", type=int, default=2000)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clients = [
            stack.enter_context(TestClient(create_app(settings)))
            for settings in (
                _served(asked.bundle, folder / "plain", calibrated=False),
                _served(asked.bundle, folder / "trusted", calibrated=True),
                _served(asked.bundle, folder / "control", calibrated=False),
            )
        ]
        _wait_until_loaded(clients)
        seconds = _timed(clients, asked.photo.read_bytes(), asked.requests)
    for name, column in (("with trust", 1), ("control", 2)):
        ratio, low, high = _ratio(seconds[WARM_UP:, [0, column]])
        print(f"{name}: {ratio:.4f} times as long (95% of resamples: {low:.4f} to {high:.4f})")
    print(f"without: {1000 * np.median(seconds[WARM_UP:, 0]):.2f} ms")


def _wait_until_loaded(clients: list[TestClient]) -> None:
    """Until then the other graphs are being loaded in the background."""
    for client in clients:
        while "loading" in client.get("/readyz").text:
            time.sleep(0.1)


def _served(source: Path, root: Path, *, calibrated: bool) -> Settings:
    """The bundle alone in a repository."""
    manifest = bundles.read(source).manifest
    directory = root / manifest.name / "1"
    shutil.copytree(source, directory)
    if not calibrated:
        fields = manifest.model_dump(mode="json", exclude={"sha256"})
        bundles.write_manifest(directory, {**fields, "calibration": None})
    return Settings(repository=root, provider="cpu", threads=1)


def _timed(clients: list[TestClient], photo: bytes, requests: int) -> Floats:
    """Seconds [requests, clients]."""
    generator = np.random.default_rng(0)
    seconds = np.empty((requests + WARM_UP, len(clients)))
    for row in seconds:
        for index in generator.permutation(len(clients)):
            started = time.perf_counter()
            clients[index].post("/classify", content=photo).raise_for_status()
            row[index] = time.perf_counter() - started
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
