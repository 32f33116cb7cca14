"""What saying how far to trust an answer costs a `/classify`, in CPU time.

One bundle is served three times in this process: without its calibration and its reference, as it
is, and without once more, to show what chance does. One service may take 3% longer than another
that does the same, for its threads and memory lie elsewhere; so all share one session, and all are
started anew several times. The same photo is sent to all in turn, in an order drawn anew each
time, and the CPU time of the whole process is taken: what the machine does besides slows all
alike, and does not count as work. What is done away from the requests, judging windows and writing
the prediction log, is measured by itself.

    python benchmarks/trust_overhead.py BUNDLE PHOTO
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from starlette.testclient import TestClient

from models import bundle as bundles
from models import reference as references
from models.bundle import Bundle
from models.manifest import Graph
from models.reference import REFERENCE
from service.api.examples import CLASSIFY
from service.app import create_app
from service.core import drift
from service.core.drift import Window
from service.core.ports import Runner
from service.core.serving import OpenGraph
from service.predictions.log import PredictionLog, Retention
from service.predictions.store import Answered
from service.runtime import loading
from service.runtime.providers import Provider, choose
from service.settings import Settings

Floats = npt.NDArray[np.float64]

STARTS = 15
REQUESTS = 100
"""To each service after each start."""

WINDOW = 50
LOGGED = 100
WINDOWS = 20


def main() -> None:
    """Measure, and print the ratios with their 95% bootstrap intervals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, help="folder of a calibrated bundle")
    parser.add_argument("photo", type=Path)
    asked = parser.parse_args()
    photo = asked.photo.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        whole = _published(asked.bundle, Path(folder) / "whole", trusted=True)
        plain = _published(asked.bundle, Path(folder) / "plain", trusted=False)
        open_graph = _shared_session(asked.bundle)
        medians = np.array(
            [_started((plain, whole, plain), open_graph, photo) for _ in range(STARTS)]
        )
        logged = _logged(Path(folder) / "log.sqlite", photo)
    without, trusted, control = medians.T
    for name, some in (("with trust", trusted), ("control", control)):
        ratio, low, high = _ratio(some, without)
        print(f"{name}: {ratio:.4f} times as much (95% of resamples: {low:.4f} to {high:.4f})")
    print(f"without: {1000 * without.mean():.2f} ms")
    print(f"judging a window, for each answer: {1000 * _judged(asked.bundle):.3f} ms")
    print(f"writing the log, for each answer: {1000 * logged:.3f} ms")


def _started(repositories: Sequence[Path], open_graph: OpenGraph, photo: bytes) -> Floats:
    """The median CPU seconds of a request to each of some services."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(TestClient(create_app(_settings(each), open_graph=open_graph)))
            for each in repositories
        ]
        _warm_up(clients, photo)
        return np.asarray(np.median(_timed(clients, photo, REQUESTS), axis=0))


def _published(source: Path, root: Path, *, trusted: bool) -> Path:
    """A repository of the bundle alone."""
    manifest = bundles.read(source).manifest
    directory = root / manifest.name / "1"
    shutil.copytree(source, directory)
    if not trusted:
        (directory / REFERENCE).unlink()
        fields = manifest.model_dump(mode="json", exclude={"sha256"})
        bundles.write_manifest(directory, {**fields, "calibration": None})
    return root


def _settings(repository: Path) -> Settings:
    return Settings(repository=repository, provider="cpu", threads=1, drift_window=WINDOW)


def _shared_session(source: Path) -> OpenGraph:
    """What opens each graph once, whoever asks."""
    bundle, device = bundles.read(source), choose(Provider.CPU)

    @cache
    def opened(graph: Graph) -> Runner:
        return loading.open_graph(bundle, graph, device, threads=1)

    def open_graph(_: Bundle, graph: Graph) -> Runner:
        return opened(graph)

    return open_graph


def _warm_up(clients: list[TestClient], photo: bytes) -> None:
    """Wait for what is done once in the background: other graphs, and what windows look like."""
    for client in clients:
        while "loading" in client.get("/readyz").text:
            time.sleep(0.1)
    _timed(clients, photo, WINDOW)
    _, trusted, _ = clients
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


def _judged(source: Path) -> float:
    """CPU seconds that judging a window of the usual size takes, by answer."""
    reference = references.read(source / REFERENCE, len(bundles.read(source).manifest.labels))
    size = Settings().drift_window
    baseline = drift.baseline(reference, size)
    embedding = np.resize(
        reference.embedding.astype(np.float32), (size, reference.embedding.shape[1])
    )
    window = Window(np.zeros(size, dtype=np.int64), np.zeros(size), embedding)
    started = time.process_time()
    for _ in range(WINDOWS):
        drift.compare(window, baseline)
    return (time.process_time() - started) / (WINDOWS * size)


def _logged(path: Path, photo: bytes) -> float:
    """CPU seconds that the log takes for an answer, of ten in a second."""
    log = PredictionLog(path, Retention(1e9, 2**30), keep_images=False)
    log.ask(lambda _: None).result()  # until the file is there
    answer = CLASSIFY["one image"]["value"]
    started = time.process_time()
    for number in range(LOGGED):
        log.record(Answered(str(number), time.time(), "model", 1, photo, answer))
        time.sleep(0.1)
    log.close()
    return (time.process_time() - started) / LOGGED


def _ratio(some: Floats, others: Floats) -> tuple[float, float, float]:
    """The mean over all starts of one service over that of another, and its interval."""
    rows = np.random.default_rng(1).integers(STARTS, size=(2000, STARTS))
    ratios = some[rows].mean(axis=1) / others[rows].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(some.mean() / others.mean()), float(low), float(high)


if __name__ == "__main__":
    main()
