"""What other work of the service costs `/classify`: checks without a pause, and a scoring job.

    python -m benchmarks.serving.beside [--photos FOLDER] [--seconds N] [--rounds N]

Each round measures the 99th percentile of `/classify` alone, beside one client that has photos
checked at the level `thorough` again and again, and beside a job, in turns on one service: under
Poisson arrivals at half of what it can do, and in a closed loop of four connections. Then what
`/robustness?level=fast` takes beside `/classify`, one request at a time. Medians, as Markdown.
Needs wrk.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import foolbox
import httpx

from benchmarks.serving import poisson, servers
from benchmarks.serving.closed_loop import conditions, load, medians
from benchmarks.serving.servers import HERE

HALF = 0.5
PATIENCE_MS = 600_000
CONNECTIONS = 4
JOB_IMAGES = 20_000
"""More than a job gets done meanwhile."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path(foolbox.__file__).parent / "data")
    parser.add_argument("--seconds", type=int, default=15, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    paths = sorted(given.photos.rglob("*.jpg"))[:100]
    print(conditions(paths, medians(given.rounds, given.seconds)))
    with tempfile.TemporaryDirectory(dir=Path("build").absolute()) as folder:
        images = many(paths, Path(folder) / "photos")
        server = servers.seewhy(
            {
                "SEEWHY_JOBS": f"{folder}/jobs",
                "SEEWHY_JOB_ROOTS": f'["{images}"]',
                "SEEWHY_MAX_ROBUSTNESS_PASSES": "20000",
            }
        )
        with servers.running(server) as up:
            report(in_turns(up.url, paths, images, given.seconds, given.rounds))
            fast(up.url, paths)


def many(paths: Sequence[Path], folder: Path) -> Path:
    """A folder of the same photos under many names."""
    folder.mkdir()
    for number in range(JOB_IMAGES):
        os.link(paths[number % len(paths)], folder / f"{number}.jpg")
    return folder


Rows = dict[tuple[str, str], list[float]]


def in_turns(url: str, paths: Sequence[Path], images: Path, seconds: int, rounds: int) -> Rows:
    """By what stands beside it, and by load: the p99 of `/classify` in each round, in ms."""
    rows: Rows = defaultdict(list)
    photos = [path.read_bytes() for path in paths]
    load(url, "raw", CONNECTIONS, 2, paths)  # warm
    closed = load(url, "raw", 16, seconds, paths)
    rate = HALF * closed["requests"] / closed["seconds"]
    for number in range(rounds):
        times = poisson.arrivals(rate, seconds, seed=number)
        for name, work in (
            ("nothing", nullcontext()),
            ("level thorough", checking(url, paths)),
            ("a job", job(url, images)),
        ):
            with work:
                answers = poisson.send(url, photos, times)
                rows[name, "Poisson, half of capacity"].append(p99(answers))
                found = load(url, "raw", CONNECTIONS, seconds, paths)
                rows[name, f"{CONNECTIONS} connections"].append(found["p99"])
                assert not found["failed"]  # noqa: S101 - a benchmark that fails is none
    return rows


def p99(answers: Sequence[poisson.Answer]) -> float:
    """In milliseconds, of answers of which none is missing."""
    assert all(each.status == poisson.OK for each in answers)  # noqa: S101
    return 1000 * statistics.quantiles([each.seconds for each in answers], n=100)[98]


@contextmanager
def checking(url: str, paths: Sequence[Path]) -> Iterator[None]:
    """One client after whose answer comes its next request, and who leaves in the end."""
    address = url.replace("/classify", f"/robustness?level=thorough&timeout_ms={PATIENCE_MS}")
    command = ["wrk", "-t1", "-c1", "-d1h", "--timeout", "2m", "-s", str(HERE / "photos.lua")]
    command += [address, "--", "raw", *map(str, paths)]
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    time.sleep(1)
    try:
        assert client.poll() is None  # noqa: S101
        yield
    finally:
        client.kill()
        client.wait()


@contextmanager
def job(url: str, images: Path) -> Iterator[None]:
    """A job that is running, and cancelled in the end."""
    address = url.replace("/classify", "")
    with httpx.Client(base_url=address, timeout=60) as client:
        made = client.post("/jobs", json={"input": str(images)}).raise_for_status()
        place = made.headers["Location"]
        while not client.get(place).json()["done"]:
            time.sleep(0.2)
        yield
        assert client.get(place).json()["state"] == "running"  # noqa: S101
        client.delete(place).raise_for_status()


def report(rows: Rows) -> None:
    """Print the medians, and the ratios of each round to the same load alone."""
    print("| load | beside it | p99 of /classify, ms | of it alone |\n| --- | --- | ---: | ---: |")
    for (name, kind), found in sorted(rows.items(), key=lambda row: row[0][1]):
        alone = rows["nothing", kind]
        ratio = statistics.median(a / b for a, b in zip(found, alone, strict=True))
        print(f"| {kind} | {name} | {statistics.median(found):.1f} | {ratio:.2f} |")


def fast(url: str, paths: Sequence[Path]) -> None:
    """Print what a check of level `fast` takes beside a classification, one at a time."""
    spent: dict[str, list[float]] = defaultdict(list)
    with httpx.Client(timeout=60) as client:
        for path in paths:
            for route in ("/classify", "/robustness?level=fast", "/classify?robustness=fast"):
                begun = time.perf_counter()
                address = url.replace("/classify", route)
                client.post(address, content=path.read_bytes()).raise_for_status()
                spent[route].append(1000 * (time.perf_counter() - begun))
    alone = statistics.median(spent["/classify"])
    print("\n| request, one at a time | p50, ms | of /classify |\n| --- | ---: | ---: |")
    for route, taken in spent.items():
        middle = statistics.median(taken)
        print(f"| `{route}` | {middle:.1f} | {middle / alone:.1f} |")


if __name__ == "__main__":
    main()
