"""Baselines, from shallow to deep, beside a deep network's features, on the same images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.manifest import Graph, Preprocessing, Resampling
from models.repository import Repository
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from training import backbones, features, gate, probe
from training import weights as weights_source
from training.baselines import whole_image, words
from training.baselines.published import named, published
from training.baselines.scratch import NETWORKS, scratch
from training.data.crops import crops
from training.data.dataset import Split
from training.data.preparation import Prepared, prepare
from training.evaluate import evaluate
from training.learning.batches import Examples
from training.probe import Fold
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
    """How good a classifier of some features, or a network, is.

    `validated` is the share of right answers among images to learn from that it has not seen
    (all of them, cross-validated, or a fold), None where that is not known; the others are of
    the held-out images.
    """

    name: str
    classifier: str
    validated: float | None
    top1: float
    balanced_accuracy: float


def compare(
    path: Path,
    repository: Repository,
    *,
    backbone: str,
    weights: str,
    model: str | None = None,
    seed: int,
) -> Iterator[Standing]:
    """Fit and judge one after the other, from shallow to deep.

    Args:
        path: the images, as `training.data.sources.read` takes them.
        repository: has models that learned from them.
        backbone: the name of the network whose embedding stands for deep features.
        weights: its weights, as `training.weights.load` takes them.
        model: judged on the same held-out images; if left out, all that learned from these do.
        seed: of every random choice.

    Raises:
        DataError: the images cannot be learned from.
        WeightsError: the weights cannot be had or do not fit.
        ExportError: there is no such backbone.
        BundleNotFound: there is no such model, or no repository.
        BundleInvalid: a bundle cannot be read.
        TrainingError: the model did not learn from these images.
    """
    chosen = backbones.backbone(backbone)
    loaded = weights_source.load(chosen, weights)
    data = prepare(path, seed=seed)
    names = data.dataset.labels
    if model is None:
        bundles = published(repository, data, seed=seed)
    else:
        bundles = [named(repository, model, data, seed=seed)]
    small = _crops(data, PREPROCESSING)
    shallow: dict[str, Describe] = {
        "colour histogram": _whole(whole_image.colour_histogram),
        "local binary patterns": _whole(whole_image.binary_patterns),
        "oriented gradients": _whole(whole_image.oriented_gradients),
        "visual words in a pyramid": lambda fit, test: _words(fit, test, seed=seed),
    }
    for name, describe in shallow.items():
        yield _probed(name, *describe(*small), data, seed=seed)
    tiny = _crops(data, backbones.backbone(NETWORKS[0]).preprocessing)
    for name in NETWORKS:
        yield _from_scratch(name, *tiny, data, seed=seed)
    network = transferred(chosen, loaded, len(names), seed=seed)
    fit, test = (features.embeddings(network, side) for side in _crops(data, chosen.preprocessing))
    yield _probed(f"{chosen.name} features", fit, test, data, seed=seed)
    for bundle in bundles:
        yield _judged(bundle, data)


def _crops(data: Prepared, preprocessing: Preprocessing) -> tuple[Crops, Crops]:
    """The crops to learn from, and those held out."""
    test = data.dataset.of(Split.TEST)
    return crops(data.learning, preprocessing), crops(test, preprocessing)


def _probed(
    name: str,
    fit: npt.NDArray[np.floating],
    test: npt.NDArray[np.floating],
    data: Prepared,
    *,
    seed: int,
) -> Standing:
    """The better of the linear classifiers on some features."""
    best, *_ = probe.ranked(fit, data.learning_labels, _folds(data, seed))
    return _standing(name, best.classifier, best.accuracy, best.head.logits(test), data)


def _from_scratch(name: str, fit: Crops, test: Crops, data: Prepared, *, seed: int) -> Standing:
    chosen = backbones.backbone(name)
    learning = Examples(fit, data.learning_labels)
    split = _folds(data, seed)[0]
    validated, answers = scratch(chosen, learning, test, split, seed=seed)
    right = float((validated.argmax(axis=1) == learning.labels[split[1]]).mean())
    return _standing(f"{name} from scratch", "its own", right, answers, data)


def _judged(bundle: Bundle, data: Prepared) -> Standing:
    model = open_graph(bundle, Graph.MODEL, choose(Provider.CPU))
    _, test = _crops(data, bundle.manifest.preprocessing)
    return _standing(str(bundle), "its own", None, gate.logits(model, test), data)


def _standing(
    name: str,
    classifier: str,
    validated: float | None,
    answers: npt.NDArray[np.floating],
    data: Prepared,
) -> Standing:
    truth = np.array([sample.label for sample in data.dataset.of(Split.TEST)], dtype=np.int64)
    judged = evaluate(answers, truth, data.dataset.labels)
    return Standing(name, classifier, validated, judged.top1, judged.balanced_accuracy)


def _folds(data: Prepared, seed: int) -> list[Fold]:
    return probe.folds(data.learning_labels, data.learning_groups, seed=seed)


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
