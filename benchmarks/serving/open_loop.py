"""Latency and goodput when requests come by chance, from half of what a server can do to thrice.

    python -m benchmarks.serving.open_loop [--photos FOLDER] [--environments FOLDER]

Every round measures, for each server, its capacity in a closed loop (16 connections), the latency
of one request at a time, and Poisson arrivals at shares of that capacity; the peak is the best
goodput at any of them. Medians of the rounds are printed as Markdown. LitServe, which takes no
raw body, is left out. Needs wrk, and Java 17 for TorchServe.
"""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import foolbox

from benchmarks.serving import poisson, servers
from benchmarks.serving.closed_loop import conditions, load, medians
from benchmarks.serving.servers import Server

SHARES = (0.5, 0.8, 1.0, 1.5, 3.0)
DEADLINE_SECONDS = 1.0
"""A request that is answered later is of no use; SeeWhy is told so."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path(foolbox.__file__).parent / "data")
    parser.add_argument("--environments", type=Path, default=Path("build/peers"))
    parser.add_argument("--seconds", type=int, default=15, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    paths = sorted(given.photos.rglob("*.jpg"))[:100]
    timeout = {"SEEWHY_TIMEOUT_MS": str(round(1000 * DEADLINE_SECONDS))}
    peers = [peer for peer in servers.peers(given.environments) if peer.body == "raw"]
    compared = [servers.seewhy(timeout), *peers]
    print(conditions(paths, medians(given.rounds, given.seconds)))
    rows: Rows = defaultdict(list)
    for number in range(given.rounds):
        for server in compared:
            for share, row in measure(server, paths, given.seconds, seed=number):
                rows[server.name, share].append(row)
    report(rows)


Rows = dict[tuple[str, float], list[dict[str, float]]]


def measure(
    server: Server, paths: Sequence[Path], seconds: int, *, seed: int
) -> list[tuple[float, dict[str, float]]]:
    """What one start of a server does at each share of its capacity."""
    photos = [path.read_bytes() for path in paths]
    with servers.running(server) as up:
        load(up.url, server.body, 4, 1, paths)  # warm
        closed = load(up.url, server.body, 16, seconds, paths)
        capacity = closed["requests"] / closed["seconds"]
        idle = load(up.url, server.body, 1, seconds, paths)["p50"]
        found = []
        for share in SHARES:
            times = poisson.arrivals(share * capacity, seconds, seed)
            row = summary(poisson.send(up.url, photos, times), seconds)
            row |= {"capacity": capacity, "idle": idle, "of_idle": row["p99"] / idle}
            found.append((share, row | {"of_capacity": row["goodput"] / capacity}))
        peak = max(row["goodput"] for _, row in found)
        return [(share, row | {"of_peak": row["goodput"] / peak}) for share, row in found]


def summary(answers: Sequence[poisson.Answer], seconds: float) -> dict[str, float]:
    """Milliseconds of the answers that are no refusal; goodput is of those within the deadline."""
    taken = sorted(1000 * each.seconds for each in answers if each.status == poisson.OK)
    cuts = statistics.quantiles(taken, n=100)
    within = sum(each <= 1000 * DEADLINE_SECONDS for each in taken)
    return {
        "p50": cuts[49],
        "p95": cuts[94],
        "p99": cuts[98],
        "goodput": within / seconds,
        "refused": 1 - len(taken) / len(answers),
        "broken": sum(each.status == 0 for each in answers),
    }


def report(rows: Rows) -> None:
    """Print the medians."""
    print(
        "| server | load | p50 ms | p95 | p99 | p99 / idle p50 | goodput / capacity | / peak "
        "| refused | broken |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for (name, share), found in rows.items():
        middle = {key: statistics.median(row[key] for row in found) for key in found[0]}
        print(
            f"| {name}, {middle['capacity']:.0f} photos/s, idle p50 {middle['idle']:.1f} ms "
            f"| {share:.0%} | {middle['p50']:.1f} | {middle['p95']:.1f} | {middle['p99']:.1f} "
            f"| {middle['of_idle']:.1f} | {middle['of_capacity']:.2f} "
            f"| {middle['of_peak']:.2f} | {middle['refused']:.1%} "
            f"| {sum(row['broken'] for row in found):.0f} |"
        )


if __name__ == "__main__":
    main()
