"""From labelled photos to a calibrated network: all that is fitted."""

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.manifest import Calibration
from service.core.classification import softmax
from training import calibrate, depth, export, features, heads, layers, probe
from training import weights as weights_source
from training.advisor import Advice, Evidence, advise
from training.backbones import Backbone, backbone
from training.data.crops import crops
from training.data.dataset import Sample
from training.data.preparation import Prepared, prepare
from training.finetune import Run
from training.forest import Forest, compare
from training.instrument import Instrumented
from training.layers import Layer, Transfer
from training.learning import checkpoint
from training.learning.augmentation import augmentation
from training.learning.balance import resolved
from training.learning.batches import Examples
from training.learning.optimizers import optimizer_class
from training.learning.processes import Processes
from training.learning.progress import Say
from training.partition import divided
from training.probe import Classifier, Fold, Probe
from training.recipe import Recipe, Strategy
from training.report.page import Shown
from training.request import Training
from training.shift import shift
from training.transfer import transferred
from training.tuning import Tuning, tune
from training.weights import Weights


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled crops, and what they are crops of."""

    samples: tuple[Sample, ...]
    examples: Examples

    @property
    def crops(self) -> npt.NDArray[np.uint8]:
        """Uint8 [N, H, W, 3]."""
        return self.examples.crops

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Int64 [N]."""
        return self.examples.labels

    @property
    def shown(self) -> Shown:
        """The images as a report shows them."""
        return Shown([sample.id for sample in self.samples], self.crops)


@dataclass(frozen=True, eq=False)
class Learned:
    """What was fitted: the probes, the best first, and the network that serves, calibrated.

    `embedding` [N, D] is what that network makes of the images; `answers` [M, K] are the
    calibrated probabilities of the M of them that it was calibrated on. `request` has the recipe
    that was followed, and `advice` why, where that was left open. `splits` are the folds that
    the probes were cross-validated in.
    """

    request: Training
    backbone: Backbone
    weights: Weights
    data: Prepared
    network: Instrumented

    images: Images
    embedding: npt.NDArray[np.float32]
    splits: list[Fold]
    probes: list[Probe]
    forest: Forest
    advice: Advice | None
    tuning: Tuning | None
    answers: npt.NDArray[np.float64]
    calibration: Calibration

    @property
    def tuned(self) -> bool:
        """Whether the trained network serves."""
        return self.tuning is not None and self.tuning.better

    @property
    def held_out(self) -> npt.NDArray[np.float64]:
        """Each image's calibrated probabilities from a probe that has not seen it: [N, K]."""
        best = self.probes[0].held_out
        return softmax(best, calibrate.fit_temperature(best, self.images.labels))


def learn(request: Training, say: Say, processes: Processes) -> Learned:
    """Fit a probe on a backbone's features, train on where asked, and keep the better.

    Args:
        request: what to train.
        say: hears of the progress, in the first process.
        processes: those that train together.

    Raises:
        DataError: the images cannot be learned from.
        WeightsError: the weights cannot be had or do not fit.
        ExportError: the bundle's name is none, or there is no such backbone.
        TrainingError: the recipe does not fit the network, or a checkpoint not the run.
    """
    began, heard = time.perf_counter(), say if processes.first else _silent
    start = _start(request, processes, heard)
    request = replace(request, recipe=resolved(request.recipe, start.images.labels))
    probes = _probes(start, request.recipe, heard)
    forest = compare(start.embedding, start.images.labels, start.splits, seed=request.seed)
    advice = None
    if request.recipe.strategy is Strategy.AUTO:
        # A run with a checkpoint had the time for what it began.
        begun = request.resume and checkpoint.exists(request.folder)
        advice = advise(
            _evidence(start, probes, request.recipe, began),
            request.recipe,
            math.inf if begun else request.budget,
        )
        heard(advice.reason)
        request = replace(request, recipe=processes.agreed(advice.recipe))
    tuning = None
    if request.recipe.strategy is not Strategy.PROBE:
        tuning = _tuned(start, probes, request, processes, heard)
    logits, rows, embedding = _outcome(start, probes, tuning)
    calibration = calibrate.fit(
        logits, start.images.labels[rows], embedding, rows, start.data.learning_groups
    )
    if calibration.temperature in calibrate.TEMPERATURES:
        heard("too few answers are wrong, or right, to say how sure to be: take more images")
    return Learned(
        request=request,
        backbone=start.backbone,
        weights=start.weights,
        data=start.data,
        network=start.network.cpu(),
        images=start.images,
        embedding=embedding,
        splits=start.splits,
        probes=probes,
        forest=forest,
        advice=advice,
        tuning=tuning,
        answers=softmax(logits, calibration.temperature),
        calibration=calibration,
    )


def read(samples: tuple[Sample, ...], chosen: Backbone) -> Images:
    """The crops that a backbone takes of photos."""
    labels = np.array([sample.label for sample in samples], dtype=np.int64)
    return Images(samples, Examples(crops(samples, chosen.preprocessing), labels))


@dataclass(frozen=True, eq=False)
class _Start:
    """What there is before anything is fitted; `forward` is seconds of a pass for an image."""

    backbone: Backbone
    weights: Weights
    data: Prepared
    network: Instrumented
    images: Images
    layers: list[Layer]
    forward: float
    splits: list[Fold]

    @property
    def embedding(self) -> npt.NDArray[np.float32]:
        """What the network makes of the images before it is trained: [N, D]."""
        return self.layers[-1].features


def _start(request: Training, processes: Processes, say: Say) -> _Start:
    """Read the images, and pass them through the network once."""
    chosen = backbone(request.backbone)
    _check(request, chosen)
    weights = weights_source.load(chosen, request.starting_weights)
    data = prepare(request.data, seed=request.seed)
    for finding in data.findings():
        say(finding)
    network = transferred(chosen, weights, len(data.dataset.labels), seed=request.seed)
    depth.check(network.module, request.recipe.depth)
    network.to(processes.device)
    images = read(data.learning, chosen)
    begun = time.perf_counter()
    seen = layers.pooled(network, chosen.layout, images.crops)
    forward = (time.perf_counter() - begun) / len(images.labels)
    splits = probe.folds(images.labels, data.learning_groups, seed=request.seed)
    return _Start(chosen, weights, data, network, images, seen, forward, splits)


def _check(request: Training, chosen: Backbone) -> None:
    """Refuse names that cannot be before any photo is read."""
    export.check_name(request.bundle_name)
    augmentation(request.recipe.augment, chosen.preprocessing.crop)
    optimizer_class(request.recipe)


def _probes(start: _Start, recipe: Recipe, say: Say) -> list[Probe]:
    if recipe.balance.even:
        say("all classes count alike, however few images they have")
    probes = probe.ranked(
        start.embedding, start.images.labels, start.splits,
        even=recipe.balance.even, metric=recipe.metric,
    )  # fmt: skip
    for found in probes:
        say(f"{found.classifier}: {found.score}, cross-validated")
    return probes


def _evidence(start: _Start, probes: list[Probe], recipe: Recipe, began: float) -> Evidence:
    labels = start.images.labels
    return Evidence(
        per_class=int(np.median(np.unique_counts(labels).counts)),
        layers=_transfers(start, probes, recipe),
        shift=shift(start.network, start.weights, start.images.crops),
        pretrained=start.weights.state is not None,
        forward=start.forward,
        spent=time.perf_counter() - began,
    )


def _transfers(start: _Start, probes: list[Probe], recipe: Recipe) -> list[Transfer]:
    """How far each layer serves; the last one's logistic regression is among the probes."""
    *below, last = start.layers
    logistic = next(found for found in probes if found.classifier is Classifier.LOGISTIC)
    lower = layers.transfer(
        below, start.images.labels, start.splits, even=logistic.even, metric=recipe.metric
    )
    return [*lower, Transfer.of_probe(last, logistic)]


def _tuned(
    start: _Start, probes: list[Probe], request: Training, processes: Processes, say: Say
) -> Tuning:
    identity = f"{request.identity}; data {start.data.fingerprint}"
    run = Run(request.seed, request.folder, identity, request.resume, processes, say)
    parts = divided(start.data, start.splits[0], seed=request.seed)
    say(
        f"the network learns from {len(parts.training)} images, {len(parts.validation)} choose it "
        f"and {len(parts.calibration)} others calibrate it"
    )
    tuning = tune(
        start.network, start.images.examples, start.embedding, probes,
        partition=parts, recipe=request.recipe, run=run,
    )  # fmt: skip
    say(tuning.outcome)
    return tuning


def _outcome(
    start: _Start, probes: list[Probe], tuning: Tuning | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Leave the network with what is to serve.

    Returns:
        logits [M, K] of images that it has not learned from, nor been chosen by, their rows, and
        what it makes of all images: [N, D].
    """
    if tuning is not None and tuning.better:
        rows, seen = tuning.partition.calibration, start.images.crops
        logits = features.logits(start.network, seen[rows]).astype(np.float64)
        return logits, rows, features.embeddings(start.network, seen)
    heads.fold(start.network.module, probes[0].head)
    return probes[0].held_out, np.arange(len(start.images.labels)), start.embedding


def _silent(_line: str) -> None:
    """Where another process speaks."""
