"""Seconds from a cold process to the first answer of each server.

    python -m benchmarks.serving.cold_start [--environments FOLDER] [--rounds N]

The first round, in which files are read from the disk and plans are measured, is not counted.
Medians, in turns, as Markdown. Needs Java 17 for TorchServe.
"""

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path

import foolbox

from benchmarks.serving import servers
from benchmarks.serving.closed_loop import conditions


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environments", type=Path, default=Path("build/peers"))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    photos = sorted((Path(foolbox.__file__).parent / "data").glob("*.jpg"))
    print(conditions(photos, f"medians of {given.rounds} starts"))
    compared = [servers.seewhy(), *servers.peers(given.environments)]
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(1 + given.rounds):
        for server in compared:
            begun = time.perf_counter()
            with servers.running(server):
                seconds[server.name].append(time.perf_counter() - begun)
    print("| server | s to the first answer | least | most |\n| --- | ---: | ---: | ---: |")
    for name, (_, *found) in seconds.items():
        print(f"| {name} | {statistics.median(found):.2f} | {min(found):.2f} | {max(found):.2f} |")


if __name__ == "__main__":
    main()
