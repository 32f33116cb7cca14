"""What the machine could do at best: photos decoded and classified, with nothing else.

It calls the service's own preprocessing and its own session from a thread a core; no HTTP,
no queue, no load generator.
"""

import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import numpy as np

from benchmarks.serving.servers import BUNDLE
from models import bundle as bundles
from models.manifest import Graph
from models.preprocess import preprocess
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session


@dataclass(frozen=True)
class Limit:
    """Photos a second with a thread a core; the median milliseconds of one alone.

    `cpu` is the processor time of one photo in milliseconds while all cores are busy.
    """

    rate: float
    alone: float
    cpu: float

    def beside(self, other: float) -> float:
        """The rate where other work takes so many milliseconds of processor time a photo."""
        return 1 / (1 / self.rate + other / 1000 / (os.cpu_count() or 1))


def measure(photos: Sequence[bytes], seconds: float) -> Limit:
    """Measure both, each for so many seconds."""
    bundle = bundles.read(BUNDLE)
    session = open_session(bundle.graph(Graph.MODEL), choose(Provider.CPU), threads=1)
    runner = session.fetching(["logits"])
    cores = os.cpu_count() or 1

    def classify(photo: bytes) -> float:
        started = time.perf_counter()
        crop = preprocess(photo, bundle.manifest.preprocessing)
        runner.run({"image": crop.pixels[np.newaxis]})
        return time.perf_counter() - started

    def work(first: int) -> list[float]:
        end, times = time.perf_counter() + seconds, []
        for position in count(first):
            times.append(classify(photos[position % len(photos)]))
            if time.perf_counter() > end:
                return times
        raise AssertionError

    classify(photos[0])
    alone = statistics.median(work(0))
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(cores) as threads:
        done = sum(map(len, threads.map(work, range(cores))))
    used = time.process_time() - used
    return Limit(done / (time.perf_counter() - started), 1000 * alone, 1000 * used / done)
