"""Which backbone suits a data set, trained how deep: how well each serves, and what it costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training import depth, layers, probe
from training import weights as weights_source
from training.backbones import Backbone, backbone, parameters
from training.cost import multiply_adds
from training.data.crops import crops
from training.data.preparation import Prepared, prepare
from training.finetune import Run
from training.instrument import Instrumented
from training.layers import Transfer
from training.learning.balance import resolved
from training.learning.batches import Examples
from training.learning.processes import Processes
from training.learning.progress import Say
from training.partition import divided
from training.probe import Fold
from training.recipe import Recipe, Strategy
from training.score import Score
from training.shift import shift
from training.transfer import transferred
from training.tuning import tune
from training.weights import Weights


@dataclass(frozen=True)
class Candidate:
    """A backbone's name, and its weights as `training.weights.load` takes them."""

    backbone: str
    weights: str

    def __str__(self) -> str:
        return f"{self.backbone} ({Path(self.weights).name})"


@dataclass(frozen=True)
class Trained:
    """What training a candidate to a depth leaves, and its linear classifier beside it.

    `depth` is named as in `training.depth`. Both scores are on the same `images`, which chose
    the epoch: the trained network's flatters it a little.
    """

    depth: str
    score: Score
    probe: Score
    images: int


@dataclass(frozen=True)
class Measured:
    """What a candidate can do and what it costs.

    Attributes:
        candidate: which.
        layers: how far each of its layers serves, the embedding last.
        trained: what training it leaves, at each depth that was asked for.
        shift: how far the images are from those that it has learned (`training.shift`); None
            where it cannot tell.
        multiply_adds: of one image.
        parameters: with a head for the data's classes.
    """

    candidate: Candidate
    layers: tuple[Transfer, ...]
    trained: tuple[Trained, ...]
    shift: float | None
    multiply_adds: int
    parameters: int

    @property
    def accuracy(self) -> float:
        """The share of right answers of a cross-validated probe on the embedding."""
        return self.layers[-1].accuracy


def compare(
    path: Path, candidates: Sequence[Candidate], depths: Sequence[str], *, seed: int, say: Say
) -> Iterator[Measured]:
    """Measure one candidate after the other on the images that are not held out.

    Args:
        path: the images, as `training.data.sources.read` takes them.
        candidates: what to compare.
        depths: to which each is trained too, as `training.depth.parse` takes them.
        seed: of every random choice.
        say: hears of each epoch.

    Raises:
        DataError: the images cannot be learned from.
        WeightsError: weights cannot be had or do not fit.
        ExportError: there is no such backbone.
        TrainingError: a depth is none, or a backbone has fewer blocks.
    """
    for each in depths:
        depth.parse(each)
    loaded = [
        (candidate, chosen, weights_source.load(chosen, candidate.weights))
        for candidate in candidates
        for chosen in [backbone(candidate.backbone)]
    ]
    data = prepare(path, seed=seed)
    splits = probe.folds(data.learning_labels, data.learning_groups, seed=seed)
    courses = [
        (candidate, _Course(chosen, weights, data, splits, seed, say))
        for candidate, chosen, weights in loaded
    ]
    for (_, course), each in product(courses, depths):
        depth.check(course.network().module, each)
    for candidate, course in courses:
        yield _measured(candidate, course, depths)


@dataclass(frozen=True, eq=False)
class _Course:
    """What a candidate is measured with."""

    backbone: Backbone
    weights: Weights
    data: Prepared
    splits: list[Fold]
    seed: int
    say: Say

    def network(self) -> Instrumented:
        """As it is before it is trained, on the device that trains it."""
        labels = self.data.dataset.labels
        found = transferred(self.backbone, self.weights, len(labels), seed=self.seed)
        return found.to(Processes.alone().device)


def _measured(candidate: Candidate, course: _Course, depths: Sequence[str]) -> Measured:
    network, labels = course.network(), course.data.learning_labels
    images = crops(course.data.learning, course.backbone.preprocessing)
    seen = layers.pooled(network, course.backbone.layout, images)
    examples, embedding = Examples(images, labels), seen[-1].features
    return Measured(
        candidate,
        tuple(layers.transfer(seen, labels, course.splits)),
        tuple(_trained(course, examples, embedding, each) for each in depths),
        shift(network, course.weights, images),
        multiply_adds(network, course.backbone),
        parameters(network.module),
    )


def _trained(
    course: _Course, examples: Examples, embedding: npt.NDArray[np.float32], to: str
) -> Trained:
    """As `seewhy train` trains by default, but to a given depth."""
    labels = examples.labels
    recipe = resolved(Recipe(strategy=Strategy.FINETUNE, depth=to), labels)
    parts = divided(course.data, course.splits[0], seed=course.seed)
    probes = probe.ranked(embedding, labels, course.splits, even=recipe.balance.even)
    tuning = tune(
        course.network(), examples, embedding, probes,
        partition=parts, recipe=recipe, run=Run(course.seed, say=course.say),
    )  # fmt: skip
    return Trained(to, tuning.history.score, tuning.probe, len(parts.validation))
