"""Requests a second and latencies of servers that serve the same model, at 1 to 64 connections.

    python -m benchmarks.serving.closed_loop [--photos FOLDER] [--environments FOLDER]

needs wrk, and Java 17 for TorchServe. Every round measures the limit and every server once, so that
what else the machine does hits all alike; the medians of the rounds are printed as Markdown. A
server's share of the limit is that of what the load generator's own work leaves of it.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import foolbox
import onnxruntime
import PIL

from benchmarks.serving import limit, servers
from benchmarks.serving.servers import HERE, Server

CONNECTIONS = (1, 4, 16, 64)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path(foolbox.__file__).parent / "data")
    parser.add_argument("--environments", type=Path, default=Path("build/peers"))
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    paths = sorted(given.photos.rglob("*.jpg"))[:100]
    own = [servers.seewhy(), servers.seewhy_as_peers_decode()]
    compared = [*own, *servers.peers(given.environments)]
    print(conditions(paths, medians(given.rounds, given.seconds)))
    limits, rows = run(compared, paths, given.rounds, given.seconds)
    report(limits, rows)


Rows = dict[tuple[str, int], list[dict[str, float]]]


def run(
    compared: Sequence[Server], paths: Sequence[Path], rounds: int, seconds: int
) -> tuple[list[limit.Limit], Rows]:
    """All rounds: the limits, and by server and connections what was measured."""
    photos = [path.read_bytes() for path in paths]
    limits: list[limit.Limit] = []
    rows: Rows = defaultdict(list)
    for _ in range(rounds):
        limits.append(limit.measure(photos, seconds))
        for server in compared:
            for connections, found in measure(server, CONNECTIONS, seconds, paths).items():
                found["share"] = found["rate"] / limits[-1].beside(found["generator"])
                rows[server.name, connections].append(found)
    return limits, rows


def measure(
    server: Server, numbers: Sequence[int], seconds: int, paths: Sequence[Path]
) -> dict[int, dict[str, float]]:
    """What one start of a server does at each number of connections, all of it answered."""
    rows = {}
    with servers.running(server) as up:
        load(up.url, server.body, 4, 1, paths)  # warm
        for connections in numbers:
            before = servers.cpu_seconds(up.pid)
            found = load(up.url, server.body, connections, seconds, paths)
            if found["failed"]:
                raise RuntimeError(f"{server.name} failed to answer")
            used = servers.cpu_seconds(up.pid) - before
            found["cpu"] = 1000 * used / max(1.0, found["requests"])
            found["memory"] = servers.resident_megabytes(up.pid)
            found["rate"] = found["requests"] / found["seconds"]
            rows[connections] = found
    return rows


def load(
    url: str, body: str, connections: int, seconds: int, paths: Sequence[Path]
) -> dict[str, float]:
    """Have wrk send requests; what it found, and its own processor time, in ms a request."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    command += ["-s", str(HERE / "photos.lua"), url, "--", body, *map(str, paths)]
    before = _children_seconds()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    used = _children_seconds() - before
    return {**found, "generator": 1000 * used / max(1.0, found["requests"])}


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(limits: Sequence[limit.Limit], rows: Rows) -> None:
    """Print the medians."""
    rate = statistics.median(found.rate for found in limits)
    alone = statistics.median(found.alone for found in limits)
    cpu = statistics.median(found.cpu for found in limits)
    wrk = statistics.median(row["generator"] for found in rows.values() for row in found)
    print(
        f"The limit: {rate:.0f} photos/s, {cpu:.1f} ms of CPU each; alone {alone:.1f} ms. "
        f"The load generator takes {wrk:.2f} ms of CPU a request.\n"
    )
    print("| server | connections | photos/s | of the limit | p50 ms | p95 | p99 | CPU ms | MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (name, connections), found in rows.items():
        middle = {key: statistics.median(row[key] for row in found) for key in found[0]}
        print(
            f"| {name} | {connections} | {middle['rate']:.0f} | {middle['share']:.2f} "
            f"| {middle['p50']:.1f} | {middle['p95']:.1f} | {middle['p99']:.1f} "
            f"| {middle['cpu']:.1f} | {middle['memory']:.0f} |"
        )


def medians(rounds: int, seconds: int) -> str:
    """How most figures are taken."""
    return f"medians of {rounds} rounds of {seconds} s"


def conditions(paths: Sequence[Path], taken: str) -> str:
    """What the figures depend on; `taken` says how."""
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    )
    size = statistics.mean(path.stat().st_size for path in paths) / 1000
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {len(paths)} JPEGs of {size:.0f} kB on average; {cpu}; "
        f"{taken}; Python {platform.python_version()}, "
        f"onnxruntime {onnxruntime.__version__}, Pillow {PIL.__version__}.\n"
    )


if __name__ == "__main__":
    main()
