"""The images of an epoch: their order, what is done to them, and each process's share."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from training.learning.processes import Processes
from training.learning.seeds import Purpose, generator, seeded
from training.recipe import Balance, Recipe

WORKERS = 8
"""Processes that prepare images for a GPU; a CPU that trains has no core to spare."""

Batch = tuple[torch.Tensor, torch.Tensor]
"""Float32 [N, 3, H, W] in [0, 1], int64 [N]."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled crops: `crops` uint8 [N, H, W, 3], `labels` int64 [N]."""

    crops: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def of(self, rows: npt.NDArray[np.int64]) -> "Examples":
        """Some of them."""
        return Examples(self.crops[rows], self.labels[rows])


@dataclass(frozen=True, eq=False)
class Augmented(Dataset[Batch]):
    """The images as one epoch sees them; what is done to one depends on seed, epoch and row."""

    examples: Examples
    augmentation: nn.Module
    seed: int
    epoch: int

    def __getitem__(self, row: int) -> Batch:
        """Float32 [3, H, W] in [0, 1], int64 []."""
        image = torch.from_numpy(self.examples.crops[row]).permute(2, 0, 1)
        with seeded(Purpose.IMAGE, self.seed, self.epoch, row):
            changed = self.augmentation(image)
        return changed.float() / 255, torch.as_tensor(self.examples.labels[row])

    def __len__(self) -> int:
        """N."""
        return len(self.examples.labels)


@dataclass(frozen=True)
class Pass:
    """This process's part of a step, or of a part of it.

    `image` float32 [N, 3, H, W] in [0, 1] and `label` int64 [N]; `whole` is the number of
    images of the whole step in all processes, and `last` says that it is complete.
    """

    image: torch.Tensor
    label: torch.Tensor
    whole: int
    last: bool


def steps(images: int, recipe: Recipe, processes: Processes) -> int:
    """How many steps an epoch has."""
    shared = images // processes.count
    return math.ceil(shared / (recipe.batch * recipe.accumulate))


def passes(
    dataset: Augmented, order: npt.NDArray[np.int64], recipe: Recipe, processes: Processes
) -> Iterator[Pass]:
    """This process's share of an epoch.

    All processes get equally much, so that none waits for another: images that are left over
    have their turn in another epoch.

    Args:
        dataset: the images.
        order: their rows in the order of the epoch.
        recipe: says how many make a pass and a step.
        processes: the one that asks, among how many.
    """
    own = order[: len(order) // processes.count * processes.count]
    own = own[processes.rank :: processes.count]
    plan = [
        (rows.tolist(), len(step) * processes.count, rows is parts[-1])
        for step in _split(own, recipe.batch * recipe.accumulate)
        for parts in [_split(step, recipe.batch)]
        for rows in parts
    ]
    on_gpu = processes.device.type == "cuda"
    loader: DataLoader[Batch] = DataLoader(
        dataset,
        batch_sampler=[rows for rows, _, _ in plan],
        num_workers=WORKERS if on_gpu else 0,
        pin_memory=on_gpu,
    )
    for batch, (_, whole, last) in zip(loader, plan, strict=True):
        image, label = (part.to(processes.device, non_blocking=True) for part in batch)
        yield Pass(image, label, whole, last)


def _split(rows: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    return np.split(rows, range(size, len(rows), size))


def order(
    labels: npt.NDArray[np.int64], balance: Balance, *, seed: int, epoch: int
) -> npt.NDArray[np.int64]:
    """Rows of an epoch, int64 [N]: a permutation, or with `sampling` draws from the classes.

    Each class is then drawn as often as any other, its images with replacement.
    """
    chance = generator(Purpose.ORDER, seed, epoch)
    if balance is not Balance.SAMPLING:
        return chance.permutation(len(labels))
    counts = np.bincount(labels)
    weight = 1 / (np.count_nonzero(counts) * counts[labels])
    return chance.choice(len(labels), len(labels), p=weight)
