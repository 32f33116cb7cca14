"""How fast batch scoring is, beside its limit and beside straightforward loops.

All score the same photos with EfficientNet-Lite0, in turns in one run. The limit is
1 / (decode seconds / cores + inference seconds): decoding in one thread, and inference at its
best batch size, each with nothing else. The loops are `torch.utils.data.DataLoader` with as
many workers as cores, torchvision's transforms, and the network in eager PyTorch or on ONNX
Runtime with default options. Processes that decode are measured beside threads. Loading the
model does not count. Prints Markdown.

    python benchmarks/scoring.py PHOTOS [--images N] [--rounds N]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from models.bundle import Bundle
from models.manifest import Graph
from models.photo import DEFAULT_LIMITS
from models.repository import Repository
from service.core.plan import Plan
from service.core.ports import Runner
from service.core.scoring import inputs
from service.core.scoring.decoding import Readable, decode
from service.core.scoring.items import Item, Span
from service.core.scoring.output import Model, Run, opened
from service.core.scoring.parts import Format
from service.core.scoring.scorer import Scorer
from service.core.scoring.scoring import Work, score
from service.runtime.loading import open_graph
from service.runtime.plans import plan_for
from service.runtime.providers import Provider, choose
from service.runtime.tuning import Tuning
from service.settings import ZOO
from training import weights
from training.backbones import backbone

CORES = os.cpu_count() or 1
BATCH = 16
BATCHES = (1, 2, 4, 8, 16, 32)
NAME = "efficientnet_lite0"
READABLE = Readable(2**25, DEFAULT_LIMITS)

Contestant = Callable[[], float]
"""Gives images/s."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    bundle = Repository(ZOO).open(NAME)
    device = choose(Provider.CPU)
    whole = open_graph(bundle, Graph.MODEL, device).fetching(["logits"])
    plan = plan_for(bundle, device, Tuning.FULL, threads=0, max_batch=BATCH)
    planned = open_graph(bundle, Graph.MODEL, device, threads=plan.threads).fetching(["logits"])
    scorer = Scorer(bundle.manifest, planned, plan)
    found = inputs.read(inputs.Source(str(given.photos)))
    items = [
        Item(f"{number}", item.path, item.encoded)
        for number, item in enumerate(islice(cycle(found), given.images))
    ]
    contestants: dict[str, Contestant] = {
        "the limit": partial(limit, items, bundle, whole),
        "`seewhy score`": partial(ours, items, scorer),
        "the same, decoding in processes": partial(in_processes, items, scorer),
        "DataLoader, eager PyTorch": partial(loop, items, eager()),
        "DataLoader, ONNX Runtime": partial(loop, items, on_onnx_runtime(bundle)),
    }
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(1 + given.rounds):
        for name, contestant in contestants.items():
            speeds[name].append(contestant())
    print(conditions(given.images, given.rounds, plan))
    print("| what | images/s | `seewhy score` is so many times as fast |")
    print("| --- | ---: | ---: |")
    mine = speeds["`seewhy score`"][1:]  # the first round warms up
    for name, rounds in speeds.items():
        ratios = [our / other for our, other in zip(mine, rounds[1:], strict=True)]
        print(f"| {name} | {statistics.median(rounds[1:]):.1f} | {_spread(ratios)} |")


def limit(items: list[Item], bundle: Bundle, runner: Runner) -> float:
    """What decoding on all cores and inference leave, if nothing else took time."""
    started = time.perf_counter()
    decoded = [decode(item, bundle.manifest.preprocessing, READABLE) for item in items]
    decoding = (time.perf_counter() - started) / len(items)
    crops = np.stack([image.crop.pixels for image in decoded if image.crop is not None])
    inference = []
    for batch in BATCHES:
        started = time.perf_counter()
        for first in range(0, len(crops), batch):
            runner.run({"image": crops[first : first + batch]})
        inference.append((time.perf_counter() - started) / len(crops))
    return 1 / (decoding / CORES + min(inference))


def ours(items: list[Item], scorer: Scorer) -> float:
    """All of a run but finding the images and loading the model: rows are on disk at the end."""
    run = Run(
        Model(NAME, 1, ""),
        source="photos",
        column="path",
        images=len(items),
        fingerprint="",
        top_k=5,
        embedding=False,
        box=False,
        robustness=None,
        format=Format.PARQUET,
        part_size=1000,
    )
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "out", run) as output:
        started = time.perf_counter()
        score(items, scorer, output, Work(READABLE, CORES), lambda *_: None)
        return len(items) / (time.perf_counter() - started)


def in_processes(items: list[Item], scorer: Scorer) -> float:
    """Decoding in processes, whose crops are copied to this one; rows are not written."""
    work = partial(decode, preprocessing=scorer.manifest.preprocessing, readable=READABLE)
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(work, items[:CORES]))  # they start
        started = time.perf_counter()
        rows = list(scorer.rows(pool.map(work, items, chunksize=4)))
        return len(rows) / (time.perf_counter() - started)


def loop(items: list[Item], predict: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """A loop as one writes it: the five best classes of each photo, in a list."""
    photos = [item.encoded.file for item in items if isinstance(item.encoded, Span)]
    transform = v2.Compose(
        [
            v2.Resize(256, v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(224),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )

    def collate(paths: list[Path]) -> torch.Tensor:
        opened_ = (Image.open(path).convert("RGB") for path in paths)
        return torch.stack([transform(photo) for photo in opened_])

    loader: DataLoader[Path] = DataLoader(
        photos,  # type: ignore[arg-type]  # a list is a data set
        BATCH,
        collate_fn=collate,
        num_workers=CORES,
    )
    started = time.perf_counter()
    rows = []
    for images in loader:
        rows += predict(images).softmax(1).topk(5).indices.tolist()
    return len(rows) / (time.perf_counter() - started)


def eager() -> Callable[[torch.Tensor], torch.Tensor]:
    """The network with its package's weights; images in [0, 1] to logits."""
    chosen = backbone(NAME)
    network = chosen.build(weights.IMAGENET_CLASSES).eval()
    weights.apply(network, weights.load(chosen, "package"))

    @torch.inference_mode()
    def predict(images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = network(images * 2 - 1)
        return logits

    return predict


def on_onnx_runtime(bundle: Bundle) -> Callable[[torch.Tensor], torch.Tensor]:
    """The bundle's `float.onnx` in a session of default options."""
    session = onnxruntime.InferenceSession(
        bundle.graph(Graph.FLOAT), providers=["CPUExecutionProvider"]
    )

    def predict(images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(["logits"], {"image": images.numpy()})[0])

    return predict


def conditions(images: int, rounds: int, plan: Plan) -> str:
    """What the figures hold for."""
    return (
        f"{datetime.now(UTC).date()}; {NAME}, fp32, {images} photos; ours {plan.sessions} "
        f"at once, of {plan.threads} threads and {plan.batch} images, the loops' batches of "
        f"{BATCH}; "
        f"{platform.machine()}, {CORES} cores, load {os.getloadavg()[0]:.1f} at the end; Python "
        f"{platform.python_version()}, onnxruntime {onnxruntime.__version__}, torch "
        f"{torch.__version__}; medians of {rounds} rounds, in turns, and in brackets the least and "
        "the most.\n"
    )


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
