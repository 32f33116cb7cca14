"""Each baseline, and a deep network's features, under the same classifiers on the same images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.manifest import Preprocessing, Resampling
from training import backbones, features, probe
from training import weights as weights_source
from training.baselines import whole_image, words
from training.data.crops import crops
from training.data.dataset import Split
from training.data.preparation import Prepared, prepare
from training.evaluate import evaluate
from training.probe import Classifier
from training.transfer import transferred

SIDE = 128
"""Height and width at which the baselines see an image, in pixels."""

PREPROCESSING = Preprocessing(
    resize=SIDE, crop=(SIDE, SIDE), resampling=Resampling.BILINEAR, mean=(0, 0, 0), std=(1, 1, 1)
)

Crops = npt.NDArray[np.uint8]
Describe = Callable[[Crops, Crops], tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]
"""From the crops to learn from and those held out to the features [N, D] of both."""


@dataclass(frozen=True)
class Standing:
    """How good a classifier of some features is.

    `cross_validated` is the share of right answers among the images to learn from, each by a
    classifier that has not seen it; the others are of the held-out images.
    """

    name: str
    classifier: Classifier
    cross_validated: float
    top1: float
    balanced_accuracy: float


def compare(path: Path, *, backbone: str, weights: str, seed: int) -> Iterator[Standing]:
    """Fit and judge one after the other, from shallow to deep.

    Args:
        path: the images, as `training.data.sources.read` takes them.
        backbone: the name of the network whose embedding stands for deep features.
        weights: its weights, as `training.weights.load` takes them.
        seed: of every random choice.

    Raises:
        DataError: the images cannot be learned from.
        WeightsError: the weights cannot be had or do not fit.
        ExportError: there is no such backbone.
    """
    chosen = backbones.backbone(backbone)
    loaded = weights_source.load(chosen, weights)
    data = prepare(path, seed=seed)
    sides = [data.learning, data.dataset.of(Split.TEST)]
    small = [crops(side, PREPROCESSING) for side in sides]
    shallow: dict[str, Describe] = {
        "colour histogram": _whole(whole_image.colour_histogram),
        "local binary patterns": _whole(whole_image.binary_patterns),
        "oriented gradients": _whole(whole_image.oriented_gradients),
        "visual words in a pyramid": lambda fit, test: _words(fit, test, seed=seed),
    }
    for name, describe in shallow.items():
        yield _standing(name, *describe(*small), data, seed=seed)
    network = transferred(chosen, loaded, len(data.dataset.labels), seed=seed)
    fit, test = (features.embeddings(network, crops(side, chosen.preprocessing)) for side in sides)
    yield _standing(f"{chosen.name} features", fit, test, data, seed=seed)


def _standing(
    name: str,
    fit: npt.NDArray[np.floating],
    test: npt.NDArray[np.floating],
    data: Prepared,
    *,
    seed: int,
) -> Standing:
    labels, groups = data.learning_labels, data.learning_groups
    best, *_ = probe.ranked(fit, labels, probe.folds(labels, groups, seed=seed))
    truth = np.array([sample.label for sample in data.dataset.of(Split.TEST)], dtype=np.int64)
    judged = evaluate(best.head.logits(test), truth, data.dataset.labels)
    return Standing(name, best.classifier, best.accuracy, judged.top1, judged.balanced_accuracy)


def _whole(describe: Callable[[Crops], npt.NDArray[np.float64]]) -> Describe:
    def both(fit: Crops, test: Crops) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        return np.stack(list(map(describe, fit))), np.stack(list(map(describe, test)))

    return both


def _words(
    fit: Crops, test: Crops, *, seed: int
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """The words are those of the images to learn from."""
    found, unseen = list(map(words.keypoints, fit)), list(map(words.keypoints, test))
    vocabulary = words.vocabulary(found, seed=seed)
    return (
        np.stack([words.pyramid(each, vocabulary) for each in found]),
        np.stack([words.pyramid(each, vocabulary) for each in unseen]),
    )
