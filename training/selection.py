"""Which backbone suits a data set: how well each serves, and what it costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training import layers, probe
from training import weights as weights_source
from training.backbones import backbone, parameters
from training.cost import multiply_adds
from training.data.crops import crops
from training.data.preparation import prepare
from training.layers import Transfer
from training.shift import shift
from training.transfer import transferred


@dataclass(frozen=True)
class Candidate:
    """A backbone's name, and its weights as `training.weights.load` takes them."""

    backbone: str
    weights: str

    def __str__(self) -> str:
        return f"{self.backbone} ({Path(self.weights).name})"


@dataclass(frozen=True)
class Measured:
    """What a candidate can do and what it costs.

    Attributes:
        candidate: which.
        layers: how far each of its layers serves, the embedding last.
        shift: how far the images are from those that it has learned (`training.shift`); None
            where it cannot tell.
        multiply_adds: of one image.
        parameters: with a head for the data's classes.
    """

    candidate: Candidate
    layers: tuple[Transfer, ...]
    shift: float | None
    multiply_adds: int
    parameters: int

    @property
    def accuracy(self) -> float:
        """The share of right answers of a cross-validated probe on the embedding."""
        return self.layers[-1].accuracy


def compare(path: Path, candidates: Sequence[Candidate], *, seed: int) -> Iterator[Measured]:
    """Measure one candidate after the other on the images that are not held out.

    Args:
        path: the images, as `training.data.sources.read` takes them.
        candidates: what to compare.
        seed: of every random choice.

    Raises:
        DataError: the images cannot be learned from.
        WeightsError: weights cannot be had or do not fit.
        ExportError: there is no such backbone.
    """
    loaded = [
        (candidate, chosen, weights_source.load(chosen, candidate.weights))
        for candidate in candidates
        for chosen in [backbone(candidate.backbone)]
    ]
    data = prepare(path, seed=seed)
    labels = data.learning_labels
    splits = probe.folds(labels, data.learning_groups, seed=seed)
    for candidate, chosen, weights in loaded:
        network = transferred(chosen, weights, len(data.dataset.labels), seed=seed)
        images = crops(data.learning, chosen.preprocessing)
        yield Measured(
            candidate,
            tuple(layers.transfer(layers.pooled(network, chosen.layout, images), labels, splits)),
            shift(network, weights, images),
            multiply_adds(network, chosen),
            parameters(network.module),
        )
