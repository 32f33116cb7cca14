"""A network that learns by a recipe, epoch by epoch."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import depth
from training.instrument import Instrumented
from training.learning import batches, optimizers, rate_finder
from training.learning.adversary import disturbed
from training.learning.augmentation import augmentation
from training.learning.batches import Augmented, Examples, Pass
from training.learning.losses import class_weights, losses, targets
from training.learning.mixing import mixed
from training.learning.processes import Processes
from training.learning.rate_finder import Sweep
from training.learning.regularization import drop_branches, regularized
from training.learning.seeds import Purpose, seeded
from training.recipe import Recipe

Tick = Callable[[torch.Tensor], None]
"""Hears after each pass of the epoch so far: the sum of losses, what was right, and images."""


@dataclass(frozen=True)
class Learned:
    """An epoch: its mean loss, the share that was right, and what it took.

    `images_per_second` is of all processes, `waiting` the share of the time in which images
    were waited for.
    """

    loss: float
    accuracy: float
    images_per_second: float
    waiting: float


class Learner:
    """The network, its optimiser, its schedule and its moving average; all of them change.

    `network` is in evaluation mode between epochs; what the recipe does not train is frozen.
    `images` is how many are learned from.
    """

    def __init__(
        self,
        network: Instrumented,
        examples: Examples,
        recipe: Recipe,
        rate: float,
        *,
        seed: int,
        processes: Processes,
    ) -> None:
        self.network = network
        self._examples, self._recipe, self._seed = examples, recipe, seed
        self._processes = processes
        self._blocks = depth.trained(network.module, depth.parse(recipe.depth))
        drop_branches(network.module, recipe.stochastic_depth)
        self.images = len(examples.labels)
        steps = recipe.epochs * batches.steps(len(examples.labels), recipe, processes)
        self._optimizer = optimizers.optimizer(self._blocks, rate, recipe)
        self._peaks = [group["lr"] for group in self._optimizer.param_groups]
        self._schedule = optimizers.schedule(self._optimizer, steps, recipe)
        self._average = _average(network, recipe.ema)
        self._classes = int(examples.labels.max()) + 1
        self._class_weights = class_weights(
            torch.from_numpy(examples.labels), self._classes, recipe.balance
        ).to(processes.device)
        self._augmentation = augmentation(recipe.augment, examples.crops.shape[1:3])
        network.to(memory_format=torch.channels_last)  # faster on CPUs and GPUs alike
        self._classifier = _Classifier(network)
        if recipe.compile:
            self._classifier.compile()

    @property
    def judged(self) -> Instrumented:
        """The network that counts: the moving average, where there is one."""
        if self._average is None:
            return self.network
        return cast("Instrumented", self._average.module)

    def epoch(self, number: int, tick: Tick) -> Learned:
        """Learn from every image once; an epoch of the same number draws the same."""
        self._thaw(number)
        totals = torch.zeros(3, device=self._processes.device)
        waits: list[float] = []
        start = time.perf_counter()
        with self._awake(number):
            forward = self._parallel()
            for part in _timed(self._passes(number), waits):
                totals += self._learn(forward, part)
                if part.last:
                    self._step()
                    self._schedule.step()
                    if self._average is not None:
                        self._average.update_parameters(self.network)
                tick(totals)
        seconds = time.perf_counter() - start
        loss, right, images = (self._processes.total(value) for value in totals.tolist())
        return Learned(loss / images, right / images, images / seconds, sum(waits) / seconds)

    def sweep(self) -> Sweep:
        """Find a rate (see `rate_finder`); the network is spoiled by it."""
        parts = itertools.chain.from_iterable(map(self._passes, itertools.count()))
        with self._awake(0):
            forward = self._parallel()

            def step(rate: float) -> float:
                for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
                    group["lr"] = rate * peak
                totals = torch.zeros(3, device=self._processes.device)
                for part in parts:
                    totals += self._learn(forward, part)
                    if part.last:
                        break
                self._step()
                loss, _, images = (self._processes.total(value) for value in totals.tolist())
                return loss / images

            return rate_finder.sweep(step, rate_finder.ceiling(self._recipe))

    def state(self) -> dict[str, Any]:
        """All that an epoch changes, for `restore`."""
        average = None if self._average is None else self._average.state_dict()
        return {
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "average": average,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` told."""
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])

    @contextmanager
    def _awake(self, number: int) -> Iterator[None]:
        rank, device = self._processes.rank, self._processes.device
        with (
            seeded(Purpose.STEP, self._seed, number, rank, device=device),
            regularized(self.network.module, self._recipe, self.images),
        ):
            yield

    def _passes(self, number: int) -> Iterator[Pass]:
        dataset = Augmented(self._examples, self._augmentation, self._seed, number)
        rows = batches.order(
            self._examples.labels, self._recipe.balance, seed=self._seed, epoch=number
        )
        return batches.passes(dataset, rows, self._recipe, self._processes)

    def _thaw(self, number: int) -> None:
        """With `gradual`, freeze the blocks whose turn has not come (Howard & Ruder 2018, 3.3)."""
        for below, block in enumerate(self._blocks):
            for parameter in block:
                parameter.requires_grad_(not self._recipe.gradual or below < number)

    def _parallel(self) -> nn.Module:
        """What passes go through: with several processes, their gradients are averaged."""
        if self._processes.count == 1:
            return self._classifier
        return DistributedDataParallel(self._classifier)

    def _learn(self, forward: nn.Module, part: Pass) -> torch.Tensor:
        """Add a pass's gradients; returns its sum of losses, what was right, and its images."""
        recipe = self._recipe
        image, target = mixed(part.image, targets(part.label, self._classes), recipe)

        def objective(moved: torch.Tensor) -> torch.Tensor:
            return losses(self._classifier(moved), target, recipe)

        image = disturbed(image, objective, recipe)
        with _synchronized(forward, now=part.last):
            with torch.autocast("cuda", torch.bfloat16, enabled=image.is_cuda):
                logits = forward(image)
            each = losses(logits, target, recipe) * (target @ self._class_weights)
            (each.sum() * (self._processes.count / part.whole)).backward()
        right = (logits.argmax(dim=1) == target.argmax(dim=1)).sum()
        return torch.stack([each.detach().sum(), right, right.new_tensor(len(image))])

    def _step(self) -> None:
        moved = [
            parameter
            for group in self._optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        if self._recipe.l1 > 0:
            for parameter in moved:
                parameter.grad += self._recipe.l1 * parameter.detach().sign()
        if self._recipe.clip > 0:
            nn.utils.clip_grad_norm_(moved, self._recipe.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()


class _Classifier(nn.Module):
    """The network's logits alone; without its hooks it compiles."""

    def __init__(self, network: Instrumented) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        normal = (image - self.network.mean) / self.network.std
        logits: torch.Tensor = self.network.module(normal.to(memory_format=torch.channels_last))
        return logits


def _average(network: Instrumented, decay: float) -> AveragedModel | None:
    """The moving average of the weights and statistics, none where the decay is 0."""
    if decay == 0:
        return None
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def _synchronized(forward: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    """Within, gradients are averaged over the processes now, or left for a later pass."""
    if isinstance(forward, DistributedDataParallel) and not now:
        later: AbstractContextManager[None] = forward.no_sync()
        return later
    return nullcontext()


def _timed(parts: Iterable[Pass], waits: list[float]) -> Iterator[Pass]:
    """The same, noting how long each was waited for, in seconds."""
    iterator = iter(parts)
    while True:
        start = time.perf_counter()
        part = next(iterator, None)
        waits.append(time.perf_counter() - start)
        if part is None:
            return
        yield part
