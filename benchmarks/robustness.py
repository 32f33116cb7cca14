"""What do attacks cost beside the graph runs that they are made of, and beside foolbox?

Everything runs in one thread and in turns, and what is counted is the process's CPU time, so that
other work on the machine matters little. Prints Markdown.

    OMP_NUM_THREADS=1 python benchmarks/robustness.py [--turns N] NAME …
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path

import foolbox
import numpy as np
import onnxruntime
import torch
from PIL import Image

from models.golden import to_float
from models.manifest import Graph
from models.preprocess import preprocess
from models.repository import Repository
from service.core.network import Network
from service.core.robustness import pgd, smoothing
from service.core.robustness.criterion import Criterion
from service.core.robustness.examination import examine
from service.core.robustness.levels import LEVELS
from service.core.robustness.losses import Loss
from service.core.robustness.mishaps import Jpeg
from service.core.robustness.notation import parse
from service.core.robustness.pgd import Pgd
from service.core.robustness.subject import Subject
from service.runtime.providers import Provider, choose
from service.runtime.session import OnnxSession, open_session
from service.settings import ZOO
from training import graphs, weights_file
from training.backbones import backbone
from training.instrument import Instrumented
from training.zoo.accuracy import CLASSES
from training.zoo.check import random_network

STEPS = 20
BATCH = 4
CHOOSING, COUNTING = 100, 1000
EPS = 1 / 255
PHOTO = Path(__file__).parent.parent / "docs" / "samples" / "cat.jpg"
FAST = parse(LEVELS["fast"])
FGSM = {text: check for text, check in FAST.items() if text.startswith("fgsm")}

Work = Mapping[str, Callable[[], object]]

COMPARED = {
    "PGD, cross-entropy": "gradients",
    "PGD, margin": "forward passes and gradients",
    "PGD, DLR": "forward passes and gradients",
    "smoothing": "forward passes alone",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(conditions(given.turns))
    spent = in_turns(pieces(), given.turns)
    print("| efficientnet_lite0 | CPU seconds | beside | CPU seconds | ratio |")
    print("| --- | ---: | --- | ---: | ---: |")
    for what, beside in COMPARED.items():
        ours, theirs = spent[what], spent[beside]
        print(f"| {what} | {ours:.2f} | {beside} | {theirs:.2f} | {ours / theirs:.2f} |")
    print(
        "\n| backbone | one answer, CPU ms | `fast` / the answer "
        "| `fast` / `model.onnx` alone | the same by foolbox / `fast` | foolbox's FGSM / ours "
        "| foolbox's FGSM / `fast` |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in given.names:
        with tempfile.TemporaryDirectory() as folder:
            spent = in_turns(one_image(name, Path(folder)), given.turns)
        fast = spent["fast"]
        print(
            f"| {name} | {1000 * spent['answer']:.1f} | {fast / spent['answer']:.2f} "
            f"| {fast / spent['model']:.2f} | {spent['foolbox and a JPEG'] / fast:.2f} "
            f"| {spent['foolbox'] / spent['fgsm']:.2f} | {spent['foolbox'] / fast:.2f} |",
            flush=True,
        )


def pieces() -> Work:
    """Attacks on the default bundle, and the runs that each is made of."""
    bundle = Repository(ZOO).open("efficientnet_lite0")
    network = opened(bundle.directory, len(bundle.manifest.labels))
    crop = preprocess(PHOTO.read_bytes(), bundle.manifest.preprocessing).pixels
    images = to_float(np.repeat(crop[np.newaxis], BATCH, axis=0))
    labels = network.logits(images).argmax(axis=1)
    criterion, eps = Criterion(labels), np.full(BATCH, EPS, dtype=np.float32)
    cotangents = np.zeros((BATCH, network.classes), dtype=np.float32)
    cotangents[np.arange(BATCH), labels] = -1
    samples = images[np.zeros(CHOOSING + COUNTING, dtype=np.int64)]

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
        "PGD, cross-entropy": lambda: ascend(Loss.CROSS_ENTROPY),
        "gradients": gradients,
        "PGD, margin": lambda: ascend(Loss.MARGIN),
        "PGD, DLR": lambda: ascend(Loss.DLR),
        "forward passes and gradients": both,
        "smoothing": lambda: smoothing.certify(
            network, images[0], sigma=0.25, n0=CHOOSING, n=COUNTING
        ),
        "forward passes alone": lambda: network.logits(samples),
    }


def one_image(name: str, folder: Path) -> Work:
    """`fast`, its parts, one answer, and the same by foolbox on a backbone with random weights."""
    chosen = backbone(name)
    module = random_network(chosen)
    steps = chosen.preprocessing
    weights_file.save(graphs.build(module, chosen.layout, steps.crop), folder)
    network, model = opened(folder, CLASSES), session(folder, Graph.MODEL).fetching(["logits"])
    photo = PHOTO.read_bytes()
    crop = preprocess(photo, steps).pixels
    label = int(network.logits(to_float(crop[np.newaxis])).argmax())
    subject = Subject(
        network, lambda given: model.run({"image": given})["logits"], crop, label,
        tuple(map(str, range(CLASSES))),
    )  # fmt: skip
    attacked = foolbox.PyTorchModel(Logits(module).eval(), bounds=(0, 1))
    fgsm = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    given = torch.from_numpy(subject.image), torch.tensor([label])

    def by_foolbox() -> None:
        fgsm(attacked, *given, epsilons=EPS)
        stored = BytesIO()
        Image.fromarray(crop).save(stored, "JPEG", quality=Jpeg().quality)
        again = np.asarray(Image.open(stored))[np.newaxis]
        attacked(torch.from_numpy(to_float(again))).argmax()

    return {
        "fast": lambda: examine(FAST, subject),
        "fgsm": lambda: examine(FGSM, subject),
        "answer": lambda: model.run({"image": preprocess(photo, steps).pixels[np.newaxis]}),
        "model": lambda: model.run({"image": crop[np.newaxis]}),
        "foolbox": lambda: fgsm(attacked, *given, epsilons=EPS),
        "foolbox and a JPEG": by_foolbox,
    }


class Logits(torch.nn.Module):
    """A network's logits alone, as foolbox wants them."""

    def __init__(self, network: Instrumented) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From images [N, 3, H, W] to logits [N, K]."""
        logits: torch.Tensor = self.network(images).logits
        return logits


def opened(folder: Path, classes: int) -> Network:
    """A bundle's graphs as attacks see them, in one thread."""
    return Network(cache(lambda graph: session(folder, graph)), classes=classes)


def session(folder: Path, graph: Graph) -> OnnxSession:
    """One of its graphs."""
    return open_session(folder / graph.filename, choose(Provider.CPU), threads=1)


def in_turns(timed: Work, turns: int) -> dict[str, float]:
    """Median CPU seconds of each, run in turns so that the machine's moods meet all."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(turns + 1):
        for name, call in timed.items():
            started = time.process_time()
            call()
            if turn:  # the first warms up
                seconds[name].append(time.process_time() - started)
    return {name: statistics.median(found) for name, found in seconds.items()}


def conditions(turns: int) -> str:
    """When and where, and what of, in a few lines."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {platform.machine()}, one thread, other work beside it; "
        f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}, torch "
        f"{torch.__version__}, foolbox {foolbox.__version__}; medians of {turns}, in turns. PGD "
        f"takes {STEPS} steps on {BATCH} images; smoothing {CHOOSING} and {COUNTING} samples.\n"
    )


if __name__ == "__main__":
    main()
