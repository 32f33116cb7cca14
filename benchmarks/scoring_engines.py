"""How fast the Ray engine is on one machine, beside the local engine.

Both score the same list of photos with the default bundle, in turns in one run, from files to
rows on disk. Each is timed from its first part on, so that neither starting a cluster nor
loading the model counts. Prints Markdown.

    python benchmarks/scoring_engines.py PHOTOS [--images N] [--rounds N]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

import onnxruntime
import ray

from service.core.scoring.cluster import Cluster
from service.core.scoring.inputs import Source, read
from service.core.scoring.summary import Summary
from service.runtime.providers import Provider
from service.scoring import Request, run
from service.settings import Settings

PART = 100
ENGINES = {"local": None, "Ray": Cluster()}


class Clock:
    """Images/s from the first part on."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, float]] = []

    def __call__(self, summary: Summary, ready: int) -> None:
        """Hear how far a run is."""
        if not ready:
            self._parts.append((summary.rows, time.perf_counter()))

    @property
    def speed(self) -> float:
        """Of the images after the first part."""
        (before, started), (images, ended) = self._parts[0], self._parts[-1]
        return (images - before) / (ended - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    speeds: dict[str, list[float]] = {name: [] for name in ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "photos.txt"
        found = [str(item.path) for item in read(Source(str(given.photos.absolute())))]
        listing.write_text("\n".join(islice(cycle(found), given.images)), encoding="utf-8")
        for number in range(given.rounds):
            for name, cluster in ENGINES.items():
                output = Path(folder) / f"{name}{number}"
                speeds[name].append(speed(listing, output, cluster))
    print(conditions(given.images, given.rounds))
    print("| engine | images/s | of the local one's speed |")
    print("| --- | ---: | ---: |")
    for name, rounds in speeds.items():
        ratios = [each / local for each, local in zip(rounds, speeds["local"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {name} | {statistics.median(rounds):.1f} | {spread} |")


def speed(listing: Path, output: Path, cluster: Cluster | None) -> float:
    """Images/s of one run."""
    clock = Clock()
    request = Request(Source(str(listing)), output, PART, cluster=cluster)
    run(request, Settings(provider=Provider.CPU), clock)
    return clock.speed


def conditions(images: int, rounds: int) -> str:
    """What the figures hold for."""
    return (
        f"{datetime.now(UTC).date()}; efficientnet_lite0, fp32, {images:,} photos in parts of "
        f"{PART}; {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at "
        f"the end; Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}, ray "
        f"{ray.__version__}; medians of {rounds} rounds, in turns, and in brackets the least and "
        "the most.\n"
    )


if __name__ == "__main__":
    main()
