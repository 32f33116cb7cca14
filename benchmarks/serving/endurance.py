"""Whether a service that has answered 100,000 requests holds more than one that has answered few.

    python -m benchmarks.serving.endurance [--requests N] [--photos FOLDER]

After a warm-up of a tenth, resident memory, file descriptors and threads are read every few
seconds. The slope of the memory is fitted by Theil and Sen's estimator, whose 95% interval says
whether it can be zero. Prints Markdown. Needs wrk.
"""

import argparse
import time
from pathlib import Path

import foolbox
import numpy as np
import numpy.typing as npt
from scipy.stats import theilslopes

from benchmarks.serving import servers
from benchmarks.serving.closed_loop import conditions, load

SECONDS = 5
CONNECTIONS = 16
WARM_UP = 0.1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path(foolbox.__file__).parent / "data")
    parser.add_argument("--requests", type=int, default=100_000)
    given = parser.parse_args()
    paths = sorted(given.photos.rglob("*.jpg"))[:100]
    print(conditions(paths, f"one run, read every {SECONDS} s"))
    done, failed, begun = 0, 0, time.perf_counter()
    samples: list[tuple[int, float, int, int]] = []
    with servers.running(servers.seewhy()) as up:
        while done < given.requests:
            found = load(up.url, "raw", CONNECTIONS, SECONDS, paths)
            done += int(found["requests"])
            failed += int(found["failed"])
            if done > WARM_UP * given.requests:
                samples.append((done, servers.resident_megabytes(up.pid), *held(up.pid)))
    spent = time.perf_counter() - begun
    report(np.array(samples, dtype=np.float64), done, failed, spent)


def held(pid: int) -> tuple[int, int]:
    """A process's open file descriptors, and its threads (Linux)."""
    of = Path("/proc") / str(pid)
    return len([*(of / "fd").iterdir()]), len([*(of / "task").iterdir()])


def report(samples: npt.NDArray[np.float64], done: int, failed: int, spent: float) -> None:
    """Print what a line through the samples says.

    Args:
        samples: [N, 4]; requests, resident MB, file descriptors, threads.
        done: requests that were answered.
        failed: and those that were not, or not well.
        spent: seconds.
    """
    requests, memory, files, threads = samples.T
    slope, _, low, high = theilslopes(memory, requests / 1000, alpha=0.95)
    print(f"{done:,} requests in {spent:.0f} s at {CONNECTIONS} connections, {failed} failed.\n")
    print("| what | first | last | least | most |\n| --- | ---: | ---: | ---: | ---: |")
    for name, found in (("resident MB", memory), ("descriptors", files), ("threads", threads)):
        ends, bounds = f"{found[0]:.0f} | {found[-1]:.0f}", f"{found.min():.0f} | {found.max():.0f}"
        print(f"| {name} | {ends} | {bounds} |")
    print(
        f"\nThe memory grows by {1000 * slope:.2f} kB each thousand requests "
        f"(95% interval {1000 * low:.2f} to {1000 * high:.2f}), of {len(samples)} samples."
    )


if __name__ == "__main__":
    main()
