"""How fast a whole network is fine-tuned, beside torchvision's reference recipe in eager fp32.

Both train ResNet-50 on the same random crops, in turns in one run: ours as `seewhy train
--strategy finetune` does (bfloat16, channels last and compiled where there is a GPU), theirs
as torchvision's references/classification does by default (SGD with momentum 0.9 and weight
decay 1e-4, cross-entropy, RandomResizedCrop and a flip, batch norm in training mode, fp32,
eager). Prints Markdown.

    python benchmarks/finetuning.py [--images N] [--batch N] [--rounds N]
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import torch
import torchvision
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from training.backbones import backbone
from training.instrument import Instrumented
from training.learning.batches import WORKERS, Examples
from training.learning.learner import Learner
from training.learning.processes import Processes
from training.recipe import Recipe, Strategy

CLASSES = 17
SIZE = 224
NAME = "resnet50"

Round = Callable[[int], tuple[float, float]]
"""From a number to images/s, and the share of the time in which images were waited for."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    crops = random.integers(256, size=(given.images, SIZE, SIZE, 3), dtype=np.uint8)
    examples = Examples(crops, np.arange(given.images) % CLASSES)
    contestants = {
        "SeeWhy": ours(examples, given.batch),
        "torchvision's recipe, eager fp32": theirs(examples, given.batch),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for number in range(1 + given.rounds):
        for name, contestant in contestants.items():
            found[name].append(contestant(1 + number))
    print(conditions(given.images, given.batch))
    print("| what | images/s | of the time, waiting for images |")
    print("| --- | ---: | ---: |")
    medians = {}
    for name, rounds in found.items():
        speeds, waits = zip(*rounds[1:], strict=True)  # the first one warms up
        medians[name] = statistics.median(speeds)
        print(f"| {name} | {medians[name]:.1f} | {statistics.median(waits):.1%} |")
    first, second = medians.values()
    print(f"\nSeeWhy is {first / second:.2f} times as fast.")


def ours(examples: Examples, batch: int) -> Round:
    """An epoch of `training.learning`."""
    processes = Processes.alone()
    chosen = backbone(NAME)
    network = Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()
    network.to(processes.device)
    on_gpu = processes.device.type == "cuda"
    recipe = Recipe(
        strategy=Strategy.FINETUNE, batch=batch, rate=1e-4, augment=("zoom", "flip"), compile=on_gpu
    )
    learner = Learner(network, examples, recipe, 1e-4, seed=0, processes=processes)

    def epoch(number: int) -> tuple[float, float]:
        learned = learner.epoch(number, lambda _: None)
        return learned.images_per_second, learned.waiting

    return epoch


def theirs(examples: Examples, batch: int) -> Round:
    """An epoch of the reference recipe, on the same crops."""
    device = Processes.alone().device
    network = torchvision.models.resnet50(num_classes=CLASSES).to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), 1e-4, momentum=0.9, weight_decay=1e-4)
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    images = torch.from_numpy(examples.crops).permute(0, 3, 1, 2)
    pairs = [(image, int(label)) for image, label in zip(images, examples.labels, strict=True)]
    on_gpu = device.type == "cuda"

    def collate(samples: list[tuple[torch.Tensor, int]]) -> tuple[torch.Tensor, torch.Tensor]:
        seen = torch.stack([transform(image) for image, _ in samples])
        return seen, torch.tensor([label for _, label in samples])

    def epoch(_number: int) -> tuple[float, float]:
        loader: DataLoader[tuple[torch.Tensor, torch.Tensor]] = DataLoader(
            pairs,  # type: ignore[arg-type]  # a list is a data set
            batch,
            shuffle=True,
            collate_fn=collate,
            num_workers=WORKERS if on_gpu else 0,
            pin_memory=on_gpu,
        )
        start, waiting = time.perf_counter(), 0.0
        asked = start
        for image, label in loader:
            waiting += time.perf_counter() - asked
            output = network(image.to(device, non_blocking=True))
            loss = functional.cross_entropy(output, label.to(device, non_blocking=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            asked = time.perf_counter()
        loss.item()  # waits for a GPU
        seconds = time.perf_counter() - start
        return len(pairs) / seconds, waiting / seconds

    return epoch


def conditions(images: int, batch: int) -> str:
    """What the figures hold for."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{datetime.now(UTC).date()}; {NAME}, {SIZE} x {SIZE}, {images} images an epoch in steps "
        f"of {batch}; {platform.machine()}, {torch.get_num_threads()} threads, {gpu}; Python "
        f"{platform.python_version()}, torch {torch.__version__}, torchvision "
        f"{torchvision.__version__}; medians, in turns.\n"
    )


if __name__ == "__main__":
    main()
