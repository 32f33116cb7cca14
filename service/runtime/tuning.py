"""Which plan is quickest for a bundle on this device: measured once, and remembered.

On a CPU, larger batches slow many networks down and concurrent sessions speed them up; on
a GPU it is the other way round. So no plan is taken for granted.
"""

import logging
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np

from models.bundle import Bundle
from models.errors import OutOfMemory
from models.manifest import Graph
from service.core.plan import Plan, batch_sizes
from service.core.ports import Arrays, Runner
from service.runtime import engines, hardware
from service.runtime.providers import Device, Provider
from service.runtime.session import open_session
from service.runtime.warming import warm

logger = logging.getLogger(__name__)

_WORTHWHILE = 1.06
"""A larger batch must be so much quicker to be worth the wait, and its room in the caches."""

_HANDING_ON = 1.1
"""To hand decoded images from thread to thread takes a tenth of a small network's time on a CPU."""

_UNDISTURBED = 0.9
"""Share of the time in which a thread that computes without a pause has a core to itself."""


class Tuning(StrEnum):
    """How much time is taken to find a plan that is not remembered."""

    OFF = "off"
    QUICK = "quick"
    FULL = "full"


@dataclass(frozen=True)
class Effort:
    """`rounds` over all plans, each plan run for `seconds` in each."""

    rounds: int
    seconds: float


_EFFORTS = {Tuning.QUICK: Effort(3, 0.08), Tuning.FULL: Effort(5, 0.5)}


def standard(device: Device, *, threads: int, max_batch: int) -> Plan:
    """The plan where nothing is measured: one session, which gathers batches."""
    return Plan(1, threads if device.provider is Provider.CPU else 1, max_batch)


def _decodes(device: Device, sessions: int, threads: int) -> bool:
    """Whether the threads that run these sessions are as many as there are cores to decode."""
    return device.provider is Provider.CPU and threads == 1 and sessions == hardware.cores()


@dataclass(frozen=True)
class Tuned:
    """The plan that was chosen; `undisturbed` says whether other work left the cores to it."""

    plan: Plan
    undisturbed: bool


def tune(bundle: Bundle, device: Device, tuning: Tuning, *, threads: int, max_batch: int) -> Tuned:
    """Measure plans on this device, while it does nothing else, and choose.

    Args:
        bundle: its files are taken to be verified.
        device: from `providers.choose`.
        tuning: `QUICK` or `FULL`.
        threads: of one session on the CPU; 0 to measure that too.
        max_batch: the largest batch to try.

    Raises:
        RuntimeFailure: ONNX Runtime cannot load or run `model.onnx`.
    """
    plans: dict[Plan, list[Runner]] = {}
    sizes = batch_sizes(max_batch)
    for sessions, each in layouts(device, cores=hardware.cores(), threads=threads):
        runners = _open(bundle, device, sessions, each, sizes)
        decodes = _decodes(device, sessions, each)
        plans |= {Plan(sessions, each, batch, decodes): runners for batch in sizes}
    found = measure(plans, bundle.manifest.preprocessing.crop, _EFFORTS[tuning])
    chosen = choose(found.rates)
    rate = found.rates[chosen]
    logger.info("%s on %s: chose %s, %.0f images/s", bundle, device.provider, chosen, rate)
    on_cpu = device.provider is Provider.CPU
    return Tuned(chosen, not on_cpu or found.share >= _UNDISTURBED)


def choose(rates: Mapping[Plan, float]) -> Plan:
    """The plan of the best rate; of those as good, the one with the smallest batch.

    A small batch keeps the wait short, and costs nothing where the rate is the same.

    Args:
        rates: images a second of each plan, without decoding.
    """
    worth = {plan: rate * (_HANDING_ON if plan.decodes else 1) for plan, rate in rates.items()}
    enough = max(worth.values()) / _WORTHWHILE
    good = [plan for plan in worth if worth[plan] >= enough]
    return min(good, key=lambda plan: (plan.batch, -worth[plan]))


@dataclass(frozen=True)
class Measured:
    """Images a second of each plan: its best round, for what disturbs it only slows it down.

    `share` is the median share of the time in which the thread of a session that has no other
    computed; 1 where there is no such session.
    """

    rates: Mapping[Plan, float]
    share: float


def measure(
    plans: Mapping[Plan, Sequence[Runner]], size: tuple[int, int], effort: Effort
) -> Measured:
    """Run plans, all of them in every round, so that a disturbance does not decide between them.

    Args:
        plans: each with a runner of `model.onnx` for each of its sessions. One that the device
            has not got the memory for is left out.
        size: height and width of the images.
        effort: how often and how long.

    Raises:
        OutOfMemory: the device has not got the memory for any.
        RuntimeFailure: the runtime failed.
    """
    most = max(plan.batch for plan in plans)
    pixels = np.random.default_rng(0).integers(0, 256, (most, *size, 3), dtype=np.uint8)
    rates = dict.fromkeys(plans, 0.0)
    shares: list[float] = []
    with ThreadPoolExecutor(max(plan.sessions for plan in plans)) as threads:
        for _ in range(effort.rounds):
            for plan in list(rates):
                repeat = partial(_repeat, {"image": pixels[: plan.batch]}, effort.seconds)
                started = time.perf_counter()
                try:
                    runs, computing = zip(*threads.map(repeat, plans[plan]), strict=True)
                except OutOfMemory as error:
                    logger.warning("%s is left out: %s", plan, error)
                    del rates[plan]
                    if not rates:
                        raise
                    continue
                images = plan.batch * sum(runs)
                rates[plan] = max(rates[plan], images / (time.perf_counter() - started))
                shares += computing if plan.threads == 1 else ()
    return Measured(rates, statistics.median(shares) if shares else 1.0)


def _repeat(feeds: Arrays, seconds: float, runner: Runner) -> tuple[int, float]:
    """Run again and again for so long; how often, and the share of it that this thread computed."""
    began, computed, runs = time.perf_counter(), time.thread_time(), 0
    while time.perf_counter() < began + seconds:
        runner.run(feeds)
        runs += 1
    return runs, (time.thread_time() - computed) / (time.perf_counter() - began)


def _open(
    bundle: Bundle, device: Device, sessions: int, threads: int, sizes: Sequence[int]
) -> list[Runner]:
    loaded = 1 if threads == 1 else sessions  # as `ServedModel` does
    keeping = engines.remembering(device, bundle, Graph.MODEL)
    opened = [
        open_session(bundle.graph(Graph.MODEL), keeping, threads=threads).fetching(["logits"])
        for _ in range(loaded)
    ]
    for session in opened:
        warm(session, device, bundle.manifest.graphs[Graph.MODEL].inputs, sizes)
    return [*opened] * (sessions // loaded)


def layouts(device: Device, *, cores: int, threads: int) -> list[tuple[int, int]]:
    """Pairs of sessions and threads that use all of a device.

    On a GPU, two sessions let one copy while the other computes.
    """
    if device.provider is not Provider.CPU:
        return [(1, 1), (2, 1)]
    if threads:
        return [(max(1, cores // threads), threads)]
    return [(cores // each, each) for each in _powers_of_two(cores) if cores % each == 0]


def _powers_of_two(most: int) -> list[int]:
    return [2**power for power in range(most.bit_length())]
