"""From labelled photos to a calibrated network: all that is fitted."""

import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.manifest import Calibration
from service.core.classification import softmax
from training import calibrate, features, heads, layers, probe
from training import weights as weights_source
from training.advisor import Advice, Evidence, advise
from training.backbones import Backbone, backbone
from training.data.crops import crops
from training.data.dataset import Sample
from training.data.preparation import Prepared, prepare
from training.finetune import Run
from training.forest import Forest, compare
from training.instrument import Instrumented
from training.learning.augmentation import augmentation
from training.learning.balance import resolved
from training.learning.batches import Examples
from training.learning.optimizers import optimizer_class
from training.learning.processes import Processes
from training.learning.progress import Say
from training.probe import Fold, Probe
from training.recipe import Balance, Recipe, Strategy
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
    that was followed, and `advice` why, where that was left open. `splits` are the folds, of
    which the first one's validation images judged the training.
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
        TrainingError: the recipe does not fit the network, or a checkpoint not the run.
    """
    start, heard = time.perf_counter(), say if processes.first else _silent
    chosen = backbone(request.backbone)
    _check(request.recipe, chosen)
    weights = weights_source.load(chosen, request.starting_weights)
    data = prepare(request.data, seed=request.seed)
    for finding in data.findings():
        heard(finding)
    network = transferred(chosen, weights, len(data.dataset.labels), seed=request.seed)
    network.to(processes.device)
    images = read(data.learning, chosen)
    begun = time.perf_counter()
    seen = layers.pooled(network, chosen.layout, images.crops)
    forward = (time.perf_counter() - begun) / len(images.labels)
    embedding = seen[-1].features
    splits = probe.folds(images.labels, data.learning_groups, seed=request.seed)
    request = replace(request, recipe=resolved(request.recipe, images.labels))
    even = request.recipe.balance in {Balance.WEIGHTS, Balance.SAMPLING}
    if even:
        heard("all classes count alike, however few images they have")
    metric = request.recipe.metric
    probes = probe.ranked(embedding, images.labels, splits, even=even, metric=metric)
    for found in probes:
        heard(f"{found.classifier}: {found.score}, cross-validated")
    forest = compare(embedding, images.labels, splits, seed=request.seed)
    advice, tuning = None, None
    if request.recipe.strategy is Strategy.AUTO:
        evidence = Evidence(
            per_class=int(np.median(np.unique_counts(images.labels).counts)),
            layers=layers.transfer(seen, images.labels, splits),
            shift=shift(network, weights, images.crops),
            pretrained=weights.state is not None,
            forward=forward,
            spent=time.perf_counter() - start,
        )
        advice = advise(evidence, request.recipe, request.budget)
        heard(advice.reason)
        request = replace(request, recipe=processes.agreed(advice.recipe))
    if request.recipe.strategy is not Strategy.PROBE:
        identity = f"{request.command}; data {data.fingerprint}"
        run = Run(request.seed, request.folder, identity, request.resume, processes, heard)
        tuning = tune(
            network, images.examples, embedding, probes,
            split=splits[0], recipe=request.recipe, run=run,
        )  # fmt: skip
        heard(tuning.outcome)
    if tuning is None or not tuning.better:
        heads.fold(network.module, probes[0].head)
        logits, labels = probes[0].held_out, images.labels
    else:
        embedding = features.embeddings(network, images.crops)
        logits, labels = tuning.logits, images.labels[splits[0][1]]
    calibration = calibrate.fit(logits, labels, embedding)
    answers = softmax(logits, calibration.temperature)
    if calibration.temperature in calibrate.TEMPERATURES:
        heard("too few answers are wrong, or right, to say how sure to be: take more images")
    return Learned(
        request, chosen, weights, data, network.cpu(),
        images, embedding, splits, probes, forest, advice, tuning, answers, calibration,
    )  # fmt: skip


def read(samples: tuple[Sample, ...], chosen: Backbone) -> Images:
    """The crops that a backbone takes of photos."""
    labels = np.array([sample.label for sample in samples], dtype=np.int64)
    return Images(samples, Examples(crops(samples, chosen.preprocessing), labels))


def _check(recipe: Recipe, chosen: Backbone) -> None:
    """Refuse names that there are not before any photo is read."""
    augmentation(recipe.augment, chosen.preprocessing.crop)
    optimizer_class(recipe)


def _silent(_line: str) -> None:
    """Where another process speaks."""
