"""How quick the engine is on a GPU, and what it loses on the way to a client.

    python -m benchmarks.gpu > benchmarks/results/gpu.md

measures ResNet-50 and EfficientNet-Lite0 with random weights, in fp32 and fp16, on the device that
the service would choose (`--provider cpu` works too): the engine at each batch size beside ONNX
Runtime's own loop over batches in memory and beside PyTorch compiled; then, with the plan that
the service measures, the engine alone, the engine with decoding, and the whole service. Every
round measures all, and the medians are printed as Markdown. The whole service needs wrk.
"""

import argparse
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import foolbox
import numpy as np
import onnxruntime

from benchmarks import throughput, untrained
from benchmarks.serving import closed_loop, servers
from benchmarks.serving.servers import Server
from benchmarks.throughput import Crop, Engine, Rate
from benchmarks.untrained import Untrained
from models.bundle import Bundle
from models.manifest import Precision
from models.preprocess import preprocess
from models.repository import Repository
from service.core.plan import Plan
from service.runtime import hardware, plans, providers
from service.runtime.providers import Device, Provider
from service.runtime.tuning import Tuning

BACKBONES = ("resnet50", "efficientnet_lite0")


@dataclass(frozen=True)
class Conditions:
    """What all measurements share."""

    devices: Sequence[Device]
    photos: Sequence[Path]
    batches: Sequence[int]
    rounds: int
    seconds: float
    connections: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--provider", type=Provider, default=Provider.AUTO)
    parser.add_argument("--photos", type=Path, default=Path(foolbox.__file__).parent / "data")
    parser.add_argument("--backbones", type=_listed, default=BACKBONES)
    parser.add_argument("--batches", type=_numbers, default=[1, 2, 4, 8, 16, 32, 64, 128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--connections", type=int, default=256, help="to the whole service")
    given = parser.parse_args()
    shared = Conditions(
        providers.every(providers.choose(given.provider)),
        throughput.read(given.photos),
        given.batches,
        given.rounds,
        given.seconds,
        given.connections,
    )
    print(described(shared))
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder))
        for name in given.backbones:
            model = untrained.make(name, repository)
            for precision, bundle in model.bundles.items():
                print(f"## {name}, {precision}\n")
                curve(model, precision, shared)
                stages(bundle, shared)


def curve(model: Untrained, precision: Precision, shared: Conditions) -> None:
    """Print a row for each batch size, on one device."""
    bundle, device = model.bundles[precision], shared.devices[0]
    plan = planned(bundle, shared)
    print("| batch | engine | ONNX Runtime's loop | of it | PyTorch compiled | of it |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for batch in shared.batches:
        crops = decoded(bundle, shared.photos, batch)
        engine = Engine(bundle, [device], Plan(plan.sessions, plan.threads, batch))
        ways: dict[str, Rate] = {
            "engine": engine.alone(crops),
            "loop": throughput.onnxruntime_loop(bundle, device, crops),
            "torch": throughput.compiled(model.network, precision, device, crops),
        }
        found = measured(ways, shared)
        engine.close()
        ours = found["engine"]
        print(
            f"| {batch} | {ours:.0f} | {found['loop']:.0f} | {ours / found['loop']:.2f} "
            f"| {found['torch']:.0f} | {ours / found['torch']:.2f} |",
            flush=True,
        )
    print()


def stages(bundle: Bundle, shared: Conditions) -> None:
    """Print the way from the engine alone to the whole service, on all devices."""
    plan = planned(bundle, shared)
    crops = decoded(bundle, shared.photos, plan.batch)
    engine = Engine(bundle, shared.devices, plan)
    found = measured(
        {
            "engine alone": engine.alone(crops),
            "engine with decoding": engine.decoding([each.read_bytes() for each in shared.photos]),
        },
        shared,
    )
    engine.close()
    if shutil.which("wrk"):
        with served(bundle, shared) as url:
            found |= measured({"whole service": loaded(url, shared)}, shared)
    else:
        print("The whole service is not measured: wrk is not installed.", file=sys.stderr)
    print(f"On {len(shared.devices)} device(s), {plan}:\n")
    print("| what | images/s | of the engine |")
    print("| --- | ---: | ---: |")
    for name, rate in found.items():
        print(f"| {name} | {rate:.0f} | {rate / found['engine alone']:.2f} |", flush=True)
    print()


def measured(ways: Mapping[str, Rate], shared: Conditions) -> dict[str, float]:
    """The median images a second of each; every round takes all in turn."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(shared.rounds):
        for name, way in ways.items():
            rates[name].append(way(shared.seconds))
    return {name: statistics.median(found) for name, found in rates.items()}


def planned(bundle: Bundle, shared: Conditions) -> Plan:
    """The plan that the service would measure; it finds it where this has measured it."""
    device = providers.choose(shared.devices[0].provider)  # as the service has it: any of them
    most = max(shared.batches)
    return plans.plan_for(bundle, device, Tuning.QUICK, threads=0, max_batch=most)


@contextmanager
def served(bundle: Bundle, shared: Conditions) -> Iterator[str]:
    """The address at which the service classifies by a bundle."""
    provider = shared.devices[0].provider
    settings = {
        "SEEWHY_REPOSITORY": str(bundle.directory.parents[1]),
        "SEEWHY_DEFAULT_MODEL": bundle.manifest.name,
        "SEEWHY_MAX_BATCH": str(max(shared.batches)),
        "SEEWHY_QUEUE_SIZE": str(max(256, 4 * shared.connections)),
    }
    command = (sys.executable, "-m", "seewhy", "serve", "--provider", provider)
    with servers.running(Server("SeeWhy", command, environment=settings)) as up:
        yield up.url


def loaded(url: str, shared: Conditions) -> Rate:
    """The service, under connections that each send a photo once the last is answered."""

    def rate(seconds: float) -> float:
        whole = max(1, round(seconds))
        found = closed_loop.load(url, "raw", shared.connections, whole, shared.photos)
        if found["failed"]:
            raise RuntimeError(f"the service failed to answer {found['failed']:.0f} requests")
        return found["requests"] / found["seconds"]

    return rate


def decoded(bundle: Bundle, photos: Sequence[Path], rows: int) -> Crop:
    """Crops [rows, H, W, 3] of the photos, which come again where there are fewer."""
    steps = bundle.manifest.preprocessing
    crops = [preprocess(photo.read_bytes(), steps).pixels for photo in photos[:rows]]
    return np.stack([crops[row % len(crops)] for row in range(rows)])


def described(shared: Conditions) -> str:
    """What the figures depend on."""
    device = shared.devices[0]
    sizes = statistics.mean(photo.stat().st_size for photo in shared.photos) / 1000
    libraries = ", ".join(f"{each} {version(each)}" for each in ("torch", "pillow"))
    names = ", ".join(hardware.name(each) for each in shared.devices)
    return (
        "# Engine, decoding and service\n\nImages a second, by `python -m benchmarks.gpu`: "
        "networks with random weights, and photos that are sent as they are.\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}; {device.provider}: {names}; {hardware.cores()} cores; "
        f"{len(shared.photos)} JPEGs of {sizes:.0f} kB on average; medians of {shared.rounds} "
        f"rounds of {shared.seconds:g} s; {shared.connections} connections; "
        f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}, {libraries}.\n"
    )


def _listed(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


if __name__ == "__main__":
    main()
