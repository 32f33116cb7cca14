"""What do attacks cost beside the graph runs that they are made of, and beside foolbox?

The default bundle on ONNX Runtime and the same network in eager PyTorch, in turns in one run;
medians. Prints Markdown.

    python benchmarks/robustness.py [--turns N]
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import foolbox
import numpy as np
import onnxruntime
import torch

from models.golden import to_float
from models.manifest import Graph
from models.preprocess import preprocess
from models.repository import Repository
from service.core.robustness import pgd, smoothing
from service.core.robustness.criterion import Criterion
from service.core.robustness.examination import examine
from service.core.robustness.levels import LEVELS
from service.core.robustness.losses import Loss
from service.core.robustness.notation import parse
from service.core.robustness.pgd import Pgd
from service.core.robustness.subject import Subject
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from service.settings import ZOO
from training import weights
from training.backbones import backbone
from training.network import network_of

STEPS = 20
BATCH = 4
SAMPLES = 100
EPS = 1 / 255

Work = Mapping[str, Callable[[], object]]


COMPARED = {
    f"PGD, {STEPS} steps, cross-entropy, {BATCH} images": f"{STEPS} gradient runs",
    f"PGD, {STEPS} steps, margin, {BATCH} images": f"{STEPS} gradient and forward runs",
    f"smoothing, {SAMPLES} samples": f"{SAMPLES} forward passes in batches",
    "level fast, one image": "one answer of model.onnx",
    "FGSM in eager PyTorch by foolbox, one image": "level fast, one image",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    spent = in_turns(work(), turns)
    print(conditions(turns))
    print("| what | milliseconds | beside | ratio |")
    print("| --- | ---: | --- | ---: |")
    for what, beside in COMPARED.items():
        ratio = spent[what] / spent[beside]
        print(f"| {what} | {1000 * spent[what]:.0f} | {beside} | {ratio:.2f} |")


def work() -> Work:
    """Everything that is timed, by name."""
    bundle = Repository(ZOO).open("efficientnet_lite0")
    network = network_of(bundle)
    model = open_graph(bundle, Graph.MODEL, choose(Provider.CPU)).fetching(["logits"])
    folder = Path(foolbox.__file__).parent / "data"
    photos = sorted(folder.glob("imagenet_*.jpg"))[:BATCH]
    crops = np.stack(
        [preprocess(each.read_bytes(), bundle.manifest.preprocessing).pixels for each in photos]
    )
    images = to_float(crops)
    labels = network.logits(images).argmax(axis=1)
    criterion, eps = Criterion(labels), np.full(BATCH, EPS, dtype=np.float32)
    cotangents = np.zeros((BATCH, network.classes), dtype=np.float32)
    cotangents[np.arange(BATCH), labels] = -1
    samples = images[np.zeros(SAMPLES, dtype=np.int64)]
    subject = Subject(
        network, lambda given: model.run({"image": given})["logits"], crops[0], int(labels[0]),
        bundle.manifest.labels,
    )  # fmt: skip
    attacked = eager()
    fgsm = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    one, label = torch.from_numpy(images[:1]), torch.from_numpy(labels[:1])

    def gradients() -> None:
        for _ in range(STEPS):
            network.input_gradient(images, cotangents)

    def both() -> None:
        for _ in range(STEPS):
            network.logits(images)
            network.input_gradient(images, cotangents)

    def ascend(loss: Loss) -> None:
        pgd.attack(network, images, criterion, eps, Pgd(steps=STEPS, loss=loss))

    return {
        f"PGD, {STEPS} steps, cross-entropy, {BATCH} images": lambda: ascend(Loss.CROSS_ENTROPY),
        f"PGD, {STEPS} steps, margin, {BATCH} images": lambda: ascend(Loss.MARGIN),
        f"{STEPS} gradient runs": gradients,
        f"{STEPS} gradient and forward runs": both,
        f"smoothing, {SAMPLES} samples": lambda: smoothing.certify(
            network, images[0], sigma=0.25, n0=SAMPLES // 2, n=SAMPLES // 2
        ),
        f"{SAMPLES} forward passes in batches": lambda: network.logits(samples),
        "level fast, one image": lambda: examine(parse(LEVELS["fast"]), subject),
        "one answer of model.onnx": lambda: model.run({"image": crops[:1]}),
        "FGSM in eager PyTorch by foolbox, one image": lambda: fgsm(
            attacked, one, label, epsilons=EPS
        ),
    }


def eager() -> foolbox.PyTorchModel:
    """The default bundle's network in PyTorch, for foolbox."""
    chosen = backbone("efficientnet_lite0")
    module = chosen.build(weights.IMAGENET_CLASSES)
    weights.apply(module, weights.load(chosen, "package"))
    mean, std = chosen.preprocessing.mean, chosen.preprocessing.std
    normalisation = {"mean": list(mean), "std": list(std), "axis": -3}
    return foolbox.PyTorchModel(module.eval(), bounds=(0, 1), preprocessing=normalisation)


def in_turns(timed: Work, turns: int) -> dict[str, float]:
    """Median seconds of each, run in turns so that the machine's moods meet all."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(turns + 1):
        for name, call in timed.items():
            started = time.perf_counter()
            call()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in seconds.items()}


def conditions(turns: int) -> str:
    """When and where, in a line."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; efficientnet_lite0, 224 x 224; {platform.machine()}, "
        f"{os.cpu_count()} cores, no GPU; Python {platform.python_version()}, onnxruntime "
        f"{onnxruntime.__version__}, torch {torch.__version__}, foolbox {foolbox.__version__}; "
        f"medians of {turns}, in turns.\n"
    )


if __name__ == "__main__":
    main()
