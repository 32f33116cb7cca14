"""Where a request's milliseconds go, by the service's own metrics and by its clients.

    python -m benchmarks.serving.stages [--photos FOLDER] [--seconds N]

Means over all requests at 1, 4 and 16 connections, as Markdown. Needs wrk.
"""

import argparse
from pathlib import Path

import foolbox
import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.serving import servers
from benchmarks.serving.closed_loop import conditions, load

CONNECTIONS = (1, 4, 16)
STAGES = ("read", "decode", "queue", "inference", "total")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path(foolbox.__file__).parent / "data")
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement")
    given = parser.parse_args()
    paths = sorted(given.photos.rglob("*.jpg"))[:100]
    print(conditions(paths, f"means over {given.seconds} s"))
    print(f"| connections | {' | '.join(STAGES[:-1])} | the rest | in all | at the client |")
    print(f"| ---: |{' ---: |' * (len(STAGES) + 2)}")
    with servers.running(servers.seewhy()) as up:
        load(up.url, "raw", 4, 2, paths)  # warm
        for connections in CONNECTIONS:
            before = spent(up.url)
            found = load(up.url, "raw", connections, given.seconds, paths)
            after = spent(up.url)
            each = [1000 * (after[s] - before[s]) / found["requests"] for s in STAGES]
            rest = each[-1] - sum(each[:-1])
            # In a closed loop the clients' mean latency follows from their rate (Little 1961).
            client = 1000 * connections * found["seconds"] / found["requests"]
            row = [*each[:-1], rest, each[-1], client]
            print(f"| {connections} | {' | '.join(f'{ms:.2f}' for ms in row)} |")


def spent(url: str) -> dict[str, float]:
    """The seconds that the service has spent on classifying, by stage."""
    text = httpx.get(url.replace("/classify", "/metrics")).text
    seconds = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "seewhy_stage_seconds_sum" and sample.labels["route"] == "/classify":
                seconds[sample.labels["stage"]] = sample.value
    return seconds


if __name__ == "__main__":
    main()
