"""`seewhy train`: from a user's photos to a bundle in the repository."""

import re
import shlex
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Calibration, Graph, Provenance
from models.repository import Repository
from service.core.classification import softmax
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from training import calibrate, export, features, gate, heads, layers, probe
from training import weights as weights_source
from training.advisor import Advice, Auto, Evidence, advise
from training.backbones import Backbone, backbone, parameters
from training.data.crops import crops
from training.data.dataset import Sample, Split
from training.data.preparation import Prepared, prepare
from training.finetune import Examples, Recipe, Say
from training.forest import Forest, compare
from training.instrument import Instrumented
from training.judgement import Judgement, judge
from training.label_errors import suspects
from training.probe import Probe
from training.report.page import Contents, Shown, render
from training.shift import shift
from training.transfer import transferred
from training.tuning import Tuning, tune
from training.weights import Weights

REFERENCE = "reference.npz"
REPORT = "report.html"


@dataclass(frozen=True)
class Training:
    """What to train.

    `weights` is as `training.weights.load` takes it; `recipe` says how to fine-tune, None not
    to, or leaves it to the advisor; `name` is the bundle's, by default the data's.
    """

    data: Path
    backbone: str = "efficientnet_lite0"
    weights: str = "package"
    recipe: Recipe | Auto | None = None
    name: str | None = None
    seed: int = 0

    @property
    def bundle_name(self) -> str:
        """The name that the bundle gets."""
        data = self.data.resolve()
        given = data.name if data.is_dir() else data.stem
        plain = re.sub(r"[^a-z0-9]+", "_", given.lower()).strip("_")
        return plain if self.name is None else self.name

    def command(self, recipe: Recipe | None) -> str:
        """The command that trains this again with a recipe; files stand without their folders."""
        options = ["--backbone", self.backbone, "--weights", Path(self.weights).name]
        options += ["--strategy", "probe"] if recipe is None else recipe.options
        options += [] if self.name is None else ["--name", self.name]
        options += [] if self.seed == 0 else ["--seed", str(self.seed)]
        return shlex.join(["seewhy", "train", self.data.resolve().name, *options])


@dataclass(frozen=True)
class Trained:
    """A published bundle, and how good it is on images that nothing was fitted to.

    `advice` is None where the request says how to train.
    """

    bundle: Bundle
    test: Judgement
    advice: Advice | None


@dataclass(frozen=True, eq=False)
class _Images:
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
class _Learned:
    """What was fitted: the probes, the best first, and what serves, with its calibration.

    `embedding` [N, D] is what the network that serves makes of the images; `recipe` is the
    request's, or the advised one.
    """

    images: _Images
    embedding: npt.NDArray[np.float32]
    probes: list[Probe]
    forest: Forest
    advice: Advice | None
    recipe: Recipe | None
    tuning: Tuning | None
    calibration: Calibration

    @property
    def held_out(self) -> npt.NDArray[np.float64]:
        """Each image's calibrated probabilities from a probe that has not seen it: [N, K]."""
        best = self.probes[0].held_out
        return softmax(best, calibrate.fit_temperature(best, self.images.labels))


def train(request: Training, repository: Repository, say: Say) -> Trained:
    """Fit a probe on a backbone's features, fine-tune where asked or advised, publish the better.

    What the advisor chooses depends on the time that this machine takes.

    Raises:
        DataError: the images cannot be learned from.
        WeightsError: the weights cannot be had or do not fit.
        ExportError: the backbone cannot be exported, or the export is not exact.
        GoldenMismatch: a graph does not compute what PyTorch does.
    """
    start = time.perf_counter()
    export.check_name(request.bundle_name)
    chosen = backbone(request.backbone)
    weights = weights_source.load(chosen, request.weights)
    data = prepare(request.data, seed=request.seed)
    for finding in data.findings():
        say(finding)
    labels = data.dataset.labels
    network = transferred(chosen, weights, len(labels), seed=request.seed)
    images = _read(data.learning, chosen)
    learned = _learn(network, images, data, request, say, weights=weights, start=start)
    if learned.calibration.temperature in calibrate.TEMPERATURES:
        say("too few answers are wrong, or right, to say how sure to be: take more images")
    with tempfile.TemporaryDirectory() as folder:
        _save_reference(Path(folder) / REFERENCE, learned)
        fields = {
            "name": request.bundle_name,
            "version": repository.next_version(request.bundle_name),
            "labels": labels,
            "provenance": _provenance(request, learned, weights, network, data),
            "calibration": learned.calibration,
        }
        staged = export.write(network, chosen, Path(folder), fields, seed=request.seed)
        export.check(staged)
        test = _read(data.dataset.of(Split.TEST), chosen)
        judged = judge(
            _served(staged, network, learned.images, test), test.labels, labels, learned.calibration
        )
        _write_report(staged, data, learned, test, judged)
        fields = {**staged.manifest.model_dump(exclude={"sha256"}), "metrics": judged.metrics}
        bundles.write_manifest(staged.directory, fields)
        return Trained(repository.publish(staged.directory), judged, learned.advice)


def _read(samples: tuple[Sample, ...], chosen: Backbone) -> _Images:
    labels = np.array([sample.label for sample in samples], dtype=np.int64)
    return _Images(samples, Examples(crops(samples, chosen.preprocessing), labels))


def _learn(
    network: Instrumented,
    images: _Images,
    data: Prepared,
    request: Training,
    say: Say,
    *,
    weights: Weights,
    start: float,
) -> _Learned:
    """Fit all that is to be fitted, and leave the network with it.

    The calibration is fitted on logits of images that were not learned from: a fine-tuned
    network's validation images, or all images, each from a probe that has not seen it. The
    probe that serves has seen more images than those, so what is promised holds for slightly
    worse answers than it gives.
    """
    begun = time.perf_counter()
    seen = layers.pooled(network, backbone(request.backbone).layout, images.crops)
    forward = (time.perf_counter() - begun) / len(images.labels)
    embedding = seen[-1].features
    splits = probe.folds(images.labels, data.learning_groups, seed=request.seed)
    probes = probe.ranked(embedding, images.labels, splits)
    for found in probes:
        say(f"{found.classifier}: {found.accuracy:.1%} right, cross-validated")
    forest = compare(embedding, images.labels, splits, seed=request.seed)
    advice, recipe = None, request.recipe
    if isinstance(recipe, Auto):
        evidence = Evidence(
            per_class=int(np.median(np.unique_counts(images.labels).counts)),
            layers=layers.transfer(seen, images.labels, splits),
            shift=shift(network, weights, images.crops),
            pretrained=weights.state is not None,
            forward=forward,
            spent=time.perf_counter() - start,
        )
        advice = advise(evidence, recipe)
        recipe = advice.recipe
        say(advice.reason)
    tuning, logits, rows = None, probes[0].held_out, np.arange(len(images.labels))
    if recipe is not None:
        tuning = tune(
            network, images.examples, embedding, probes,
            split=splits[0], recipe=recipe, seed=request.seed, say=say,
        )  # fmt: skip
        say(tuning.outcome)
    if tuning is not None and tuning.better:
        logits, rows = tuning.logits, splits[0][1]
        embedding = features.embeddings(network, images.crops)
    else:
        heads.fold(network.module, probes[0].head)
    labels = images.labels[rows]
    temperature = calibrate.fit_temperature(logits, labels)
    conformal = calibrate.fit_conformal(softmax(logits, temperature), labels)
    ood = calibrate.fit_ood(logits, embedding)
    calibration = Calibration(temperature=temperature, conformal=conformal, ood=ood)
    return _Learned(images, embedding, probes, forest, advice, recipe, tuning, calibration)


def _save_reference(path: Path, learned: _Learned) -> None:
    """`reference.npz`: `embedding` float16 [M, D], `labels` int64 [M], `ids` [M]."""
    np.savez_compressed(
        path,
        embedding=learned.embedding.astype(np.float16),
        labels=learned.images.labels,
        ids=np.array(learned.images.shown.ids),
    )


def _provenance(
    request: Training, learned: _Learned, weights: Weights, network: Instrumented, data: Prepared
) -> Provenance:
    return Provenance(
        backbone=request.backbone,
        weights=weights.source,
        licence=weights.licence,
        created_by=request.command(learned.recipe),
        parameters=parameters(network.module),
        seed=request.seed,
        data_fingerprint=data.fingerprint,
        libraries=export.libraries(),
    )


def _served(
    staged: Bundle, network: Instrumented, learning: _Images, test: _Images
) -> npt.NDArray[np.floating]:
    """Hold the export against the network, then give what it answers on the test: logits."""
    model = open_graph(staged, Graph.MODEL, choose(Provider.CPU))
    gate.hold(gate.logits(model, learning.crops), features.logits(network, learning.crops))
    return gate.logits(model, test.crops)


def _write_report(
    staged: Bundle, data: Prepared, learned: _Learned, test: _Images, judged: Judgement
) -> None:
    contents = Contents(
        title=str(staged),
        command=staged.manifest.provenance.created_by,
        names=staged.manifest.labels,
        findings=tuple(data.findings()),
        probes=learned.probes,
        forest=learned.forest,
        advice=learned.advice,
        tuning=learned.tuning,
        suspects=suspects(learned.held_out, learned.images.labels),
        temperature=learned.calibration.temperature,
        judged=judged,
        test=test.shown,
        learning=learned.images.shown,
    )
    (staged.directory / REPORT).write_text(render(contents), encoding="utf-8")
