"""Fine-tuning: a network's upper layers learn on, from a head that is fitted already.

Small sets undo a network easily, so the defaults are careful: the head comes from a linear
probe (Kumar et al. 2022, "Fine-tuning can distort pretrained features"), batch norm keeps its
statistics, rates are low and fall from block to block towards the input (Howard & Ruder 2018,
section 3.2), and the best epoch is kept, the state before the first one included.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.golden import to_float
from training import depth, features
from training.calibrate import calibrated_loss
from training.depth import Depth
from training.instrument import Instrumented

WARM_UP = 0.1
"""Share of the steps in which the rate rises to its peak; then it falls as a cosine."""

Say = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True)
class Recipe:
    """How to fine-tune.

    `depth` is as in `training.depth`; `rate` the head's peak learning rate, `decay` what it
    is multiplied by from block to block; `batch` the images of a step.
    """

    depth: Depth = None
    epochs: int = 8
    rate: float = 1e-4
    decay: float = 0.9
    weight_decay: float = 0.01
    batch: int = 32

    @property
    def options(self) -> list[str]:
        """The options of `seewhy train` that ask for it."""
        asked = {"--depth": depth.name(self.depth), "--epochs": self.epochs, "--rate": self.rate}
        return ["--strategy", "finetune", *(str(part) for pair in asked.items() for part in pair)]


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled crops: `crops` uint8 [N, H, W, 3], `labels` int64 [N]."""

    crops: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def of(self, rows: npt.NDArray[np.int64]) -> "Examples":
        """Some of them."""
        return Examples(self.crops[rows], self.labels[rows])


@dataclass(frozen=True)
class Epoch:
    """What an epoch did; number 0 is the state before the first one.

    `training_loss` is the mean cross-entropy of its steps in nats, NaN before the first;
    `loss` the log loss after temperature scaling and `accuracy` the share that is right, both
    on the validation images; infinite and 0 where the weights have diverged.
    """

    number: int
    training_loss: float
    loss: float
    accuracy: float


def finetune(
    network: Instrumented,
    training: Examples,
    validation: Examples,
    recipe: Recipe,
    *,
    seed: int,
    say: Say,
) -> list[Epoch]:
    """Train in place; the network ends in its best epoch's state, the least validation loss.

    Args:
        network: in evaluation mode, its head fitted; it stays in that mode, so that batch
            norm keeps the statistics of many more images than there are here.
        training: what to learn.
        validation: what says when it is learned.
        recipe: how.
        seed: of the order of the images and of what is done to them.
        say: hears of each epoch.
    """
    groups = [
        {"params": block, "lr": recipe.rate * recipe.decay**below}
        for below, block in enumerate(depth.trained(network.module, recipe.depth))
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * math.ceil(len(training.labels) / recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, steps))
    generator = torch.Generator().manual_seed(seed)
    epochs = [_judged(network, validation, 0, math.nan)]
    kept = copy.deepcopy(network.module.state_dict())
    for number in range(1, recipe.epochs + 1):
        start, losses = time.perf_counter(), []
        for image, label in _batches(training, recipe.batch, generator):
            loss = functional.cross_entropy(network(image).logits, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        speed = len(training.labels) / (time.perf_counter() - start)
        epochs.append(_judged(network, validation, number, float(np.mean(losses))))
        say(_line(epochs[-1], recipe.epochs, speed))
        if not math.isfinite(epochs[-1].loss):
            say("the weights have diverged; a lower rate may do better")
            break
        if best(epochs) is epochs[-1]:
            kept = copy.deepcopy(network.module.state_dict())
    network.module.load_state_dict(kept)
    network.module.requires_grad_(requires_grad=True)
    return epochs


def best(epochs: list[Epoch]) -> Epoch:
    """The epoch whose state `finetune` leaves: of equals, the first."""
    return min(epochs, key=lambda epoch: epoch.loss)


def _share(step: int, steps: int) -> float:
    """The learning rate as a share of its peak."""
    rising = max(1, round(WARM_UP * steps))
    if step < rising:
        return (step + 1) / rising
    return (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2


def _batches(
    examples: Examples, size: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Every image once, in random order, half of them mirrored."""
    order = torch.randperm(len(examples.labels), generator=generator)
    for rows in order.split(size):
        image = torch.from_numpy(to_float(examples.crops[rows.numpy()]))
        mirrored = torch.rand(len(rows), generator=generator) < 0.5  # noqa: PLR2004 - half
        image[mirrored] = image[mirrored].flip(-1)
        yield image, torch.from_numpy(examples.labels[rows.numpy()])


def _judged(network: Instrumented, validation: Examples, number: int, loss: float) -> Epoch:
    logits = features.logits(network, validation.crops).astype(np.float64)
    if not np.isfinite(logits).all():
        return Epoch(number, loss, math.inf, 0.0)
    right = float((logits.argmax(axis=1) == validation.labels).mean())
    return Epoch(number, loss, calibrated_loss(logits, validation.labels), right)


def _line(epoch: Epoch, epochs: int, speed: float) -> str:
    return (
        f"epoch {epoch.number} of {epochs}: loss {epoch.training_loss:.3f}, validation "
        f"{epoch.loss:.3f}, {epoch.accuracy:.1%} right, {speed:.0f} images/s"
    )
