"""`seewhy train`: from a user's photos to a bundle in the repository."""

import re
import shlex
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Calibration, Graph, Precision, Provenance
from models.repository import Repository
from service.core.classification import softmax
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from service.runtime.session import OnnxSession
from training import calibrate, export, features, gate, heads, probe
from training import weights as weights_source
from training.backbones import Backbone, backbone, parameters
from training.compression import compress, serving_size
from training.data.crops import crops
from training.data.dataset import Sample, Split
from training.data.preparation import Prepared, prepare
from training.finetune import Examples, Recipe, Say
from training.forest import Forest, compare
from training.instrument import Instrumented
from training.judgement import Judgement, judge
from training.label_errors import suspects
from training.precision_loss import PrecisionLoss, precision_loss
from training.probe import Fold, Probe
from training.report.page import Contents, Shown, render
from training.transfer import transferred
from training.tuning import Tuning, tune
from training.weights import Weights

REFERENCE = "reference.npz"
REPORT = "report.html"
MAX_DROP = 0.5
"""Points of accuracy that fewer bits may cost."""


@dataclass(frozen=True)
class Training:
    """What to train.

    `weights` is as `training.weights.load` takes it; `recipe` says how to fine-tune, None not
    to; `name` is the bundle's, by default the data's. `model.onnx` is stored in `precision`,
    and refused where it loses more than `max_drop` points of accuracy.
    """

    data: Path
    backbone: str = "efficientnet_lite0"
    weights: str = "package"
    recipe: Recipe | None = None
    name: str | None = None
    seed: int = 0
    precision: Precision = Precision.FP32
    max_drop: float = MAX_DROP

    @property
    def bundle_name(self) -> str:
        """The name that the bundle gets."""
        data = self.data.resolve()
        given = data.name if data.is_dir() else data.stem
        plain = re.sub(r"[^a-z0-9]+", "_", given.lower()).strip("_")
        return plain if self.name is None else self.name

    @property
    def command(self) -> str:
        """The command that trains this again; files stand without their folders."""
        options = ["--backbone", self.backbone, "--weights", Path(self.weights).name]
        options += [] if self.recipe is None else self.recipe.options
        options += [] if self.name is None else ["--name", self.name]
        options += [] if self.seed == 0 else ["--seed", str(self.seed)]
        options += [] if self.precision is Precision.FP32 else ["--precision", self.precision]
        options += [] if self.max_drop == MAX_DROP else ["--max-drop", f"{self.max_drop:g}"]
        return shlex.join(["seewhy", "train", self.data.resolve().name, *options])


@dataclass(frozen=True)
class Trained:
    """A published bundle, and how good it is on images that nothing was fitted to."""

    bundle: Bundle
    test: Judgement


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

    `embedding` [N, D] is what serves makes of the images; `splits` are the folds, of which
    the first one's validation images judged the fine-tuning.
    """

    images: _Images
    embedding: npt.NDArray[np.float32]
    splits: list[Fold]
    probes: list[Probe]
    forest: Forest
    tuning: Tuning | None
    calibration: Calibration

    @property
    def tuned(self) -> bool:
        """Whether the fine-tuned network serves."""
        return self.tuning is not None and self.tuning.better

    @property
    def held_out(self) -> npt.NDArray[np.float64]:
        """Each image's calibrated probabilities from a probe that has not seen it: [N, K]."""
        best = self.probes[0].held_out
        return softmax(best, calibrate.fit_temperature(best, self.images.labels))


@dataclass(frozen=True, eq=False)
class _Served:
    """A bundle about to be published, with what it answers on the test: logits [N, K].

    `loss` is what its precision costs; None in fp32.
    """

    staged: Bundle
    learned: _Learned
    logits: npt.NDArray[np.floating]
    loss: PrecisionLoss | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """What the manifest says of the loss."""
        return {} if self.loss is None else self.loss.metrics


def train(request: Training, repository: Repository, say: Say) -> Trained:
    """Fit a probe on a backbone's features, fine-tune where asked, and publish the better.

    Raises:
        DataError: the images cannot be learned from.
        WeightsError: the weights cannot be had or do not fit.
        ExportError: the backbone cannot be exported, the export is not exact, or the precision
            costs too much.
        GoldenMismatch: a graph does not compute what PyTorch does.
    """
    export.check_name(request.bundle_name)
    chosen = backbone(request.backbone)
    weights = weights_source.load(chosen, request.weights)
    data = prepare(request.data, seed=request.seed)
    for finding in data.findings():
        say(finding)
    labels = data.dataset.labels
    network = transferred(chosen, weights, len(labels), seed=request.seed)
    learned = _learn(network, _read(data.learning, chosen), data, request, say)
    if learned.calibration.temperature in calibrate.TEMPERATURES:
        say("too few answers are wrong, or right, to say how sure to be: take more images")
    with tempfile.TemporaryDirectory() as folder:
        fields = {
            "name": request.bundle_name,
            "version": repository.next_version(request.bundle_name),
            "labels": labels,
            "provenance": _provenance(request, chosen, weights, network, data),
        }
        staged = export.write(network, chosen, Path(folder), fields, seed=request.seed)
        export.check(staged)
        test = _read(data.dataset.of(Split.TEST), chosen)
        served = _served(staged, network, learned, test)
        if request.precision is not Precision.FP32:
            served = _compressed(served, request, test, say)
        calibration = served.learned.calibration
        judged = judge(served.logits, test.labels, labels, calibration)
        _save_reference(Path(folder) / REFERENCE, served.learned)
        _write_report(served, data, test, judged)
        fields = {
            **served.staged.manifest.model_dump(exclude={"sha256"}),
            "calibration": calibration,
            "metrics": judged.metrics | served.metrics,
        }
        staged = bundles.write_manifest(staged.directory, fields)
        return Trained(repository.publish(staged.directory), judged)


def _read(samples: tuple[Sample, ...], chosen: Backbone) -> _Images:
    labels = np.array([sample.label for sample in samples], dtype=np.int64)
    return _Images(samples, Examples(crops(samples, chosen.preprocessing), labels))


def _learn(
    network: Instrumented, images: _Images, data: Prepared, request: Training, say: Say
) -> _Learned:
    """Fit all that is to be fitted, and leave the network with it.

    The calibration is fitted on logits of images that were not learned from: a fine-tuned
    network's validation images, or all images, each from a probe that has not seen it. The
    probe that serves has seen more images than those, so what is promised holds for slightly
    worse answers than it gives.
    """
    embedding = features.embeddings(network, images.crops)
    splits = probe.folds(images.labels, data.learning_groups, seed=request.seed)
    probes = probe.ranked(embedding, images.labels, splits)
    for found in probes:
        say(f"{found.classifier}: {found.accuracy:.1%} right, cross-validated")
    forest = compare(embedding, images.labels, splits, seed=request.seed)
    tuning, logits, rows = None, probes[0].held_out, np.arange(len(images.labels))
    if request.recipe is not None:
        tuning = tune(
            network, images.examples, embedding, probes,
            split=splits[0], recipe=request.recipe, seed=request.seed, say=say,
        )  # fmt: skip
        say(tuning.outcome)
    if tuning is not None and tuning.better:
        logits, rows = tuning.logits, splits[0][1]
        embedding = features.embeddings(network, images.crops)
    else:
        heads.fold(network.module, probes[0].head)
    labels = images.labels[rows]
    calibration = calibrate.fit(logits, labels, embedding)
    return _Learned(images, embedding, splits, probes, forest, tuning, calibration)


def _save_reference(path: Path, learned: _Learned) -> None:
    """`reference.npz`: `embedding` float16 [M, D], `labels` int64 [M], `ids` [M]."""
    np.savez_compressed(
        path,
        embedding=learned.embedding.astype(np.float16),
        labels=learned.images.labels,
        ids=np.array(learned.images.shown.ids),
    )


def _provenance(
    request: Training, chosen: Backbone, weights: Weights, network: Instrumented, data: Prepared
) -> Provenance:
    return Provenance(
        backbone=chosen.name,
        weights=weights.source,
        licence=weights.licence,
        created_by=request.command,
        parameters=parameters(network.module),
        seed=request.seed,
        data_fingerprint=data.fingerprint,
        libraries=export.libraries(),
    )


def _served(staged: Bundle, network: Instrumented, learned: _Learned, test: _Images) -> _Served:
    """Hold the export against the network, and have it answer the test."""
    model, learning = _model(staged), learned.images
    gate.hold(gate.logits(model, learning.crops), features.logits(network, learning.crops))
    return _Served(staged, learned, gate.logits(model, test.crops))


def _compressed(exact: _Served, request: Training, test: _Images, say: Say) -> _Served:
    """The same at a lower precision: measured beside the exact one, and calibrated anew."""
    before, images = serving_size(exact.staged), exact.learned.images
    staged = compress(exact.staged, request.precision, images.crops, seed=request.seed)
    model = _model(staged)
    logits = gate.logits(model, test.crops)
    loss = precision_loss(
        exact.logits, logits, test.labels,
        precision=request.precision, sizes=(before, serving_size(staged)),
    )  # fmt: skip
    say(loss.outcome)
    loss.hold(request.max_drop)
    return _Served(staged, _recalibrated(exact.learned, model), logits, loss)


def _recalibrated(learned: _Learned, model: OnnxSession) -> _Learned:
    """Fit the calibration on what the rounded model answers.

    A fine-tuned network answers its validation images again. A probe's head has seen all
    images, but stays exact: heads like it, each without a fold, are shown the rounded body's
    embedding of that fold.
    """
    logits, embedding = gate.answers(model, learned.images.crops)
    labels = learned.images.labels
    if learned.tuned:
        rows = learned.splits[0][1]
        calibration = calibrate.fit(logits[rows], labels[rows], embedding)
    else:
        found, splits = learned.probes[0], learned.splits
        held_out = probe.held_out(found, learned.embedding, embedding, labels, splits)
        calibration = calibrate.fit(held_out, labels, embedding)
    return replace(learned, embedding=embedding, calibration=calibration)


def _model(staged: Bundle) -> OnnxSession:
    return open_graph(staged, Graph.MODEL, choose(Provider.CPU))


def _write_report(served: _Served, data: Prepared, test: _Images, judged: Judgement) -> None:
    staged, learned = served.staged, served.learned
    contents = Contents(
        title=str(staged),
        command=staged.manifest.provenance.created_by,
        names=staged.manifest.labels,
        findings=tuple(data.findings()),
        probes=learned.probes,
        forest=learned.forest,
        tuning=learned.tuning,
        suspects=suspects(learned.held_out, learned.images.labels),
        temperature=learned.calibration.temperature,
        loss=served.loss,
        judged=judged,
        test=test.shown,
        learning=learned.images.shown,
    )
    (staged.directory / REPORT).write_text(render(contents), encoding="utf-8")
