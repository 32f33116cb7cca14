"""`seewhy train`: from a user's photos to a bundle in the repository."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Graph, Provenance
from models.repository import Repository
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from training import export, features, gate, reference
from training.backbones import parameters
from training.data.dataset import Split
from training.judgement import Judgement, judge
from training.label_errors import suspects
from training.learn import Images, Learned, learn, read
from training.learning.processes import Processes
from training.learning.progress import Say
from training.report.inside import Inside, look
from training.report.lesson import Lesson, lesson
from training.report.page import Contents, render
from training.request import Training
from training.robustness.measurement import Robustness, measure
from training.subsample import subsample

REPORT = "report.html"


@dataclass(frozen=True)
class Trained:
    """A published bundle, and how good it is on images that nothing was fitted to."""

    bundle: Bundle
    test: Judgement


def train(request: Training, repository: Repository, say: Say) -> Trained:
    """Learn, in this process alone, and publish; see `learn` and `publish`."""
    export.check_name(request.bundle_name)
    return publish(learn(request, say, Processes.alone()), repository)


def publish(learned: Learned, repository: Repository) -> Trained:
    """Export what was learned, judge it on images held out, and publish it with its report.

    Raises:
        ExportError: the backbone cannot be exported, or the export is not exact.
        GoldenMismatch: a graph does not compute what PyTorch does.
    """
    request, labels = learned.request, learned.data.dataset.labels
    with tempfile.TemporaryDirectory() as folder:
        reference.save(
            Path(folder) / reference.FILE, learned.embedding, learned.images.labels,
            learned.images.shown.ids, learned.answers,
        )  # fmt: skip
        fields = {
            "name": request.bundle_name,
            "version": repository.next_version(request.bundle_name),
            "labels": labels,
            "provenance": _provenance(learned),
            "calibration": learned.calibration,
        }
        staged = export.write(
            learned.network, learned.backbone, Path(folder), fields, seed=request.seed
        )
        export.check(staged)
        test = read(learned.data.dataset.of(Split.TEST), learned.backbone)
        examined = _examine(staged, learned, test)
        page = render(_contents(staged, learned, test, examined))
        (staged.directory / REPORT).write_text(page, encoding="utf-8")
        fields = {**staged.manifest.model_dump(exclude={"sha256"}), "metrics": examined.metrics}
        bundles.write_manifest(staged.directory, fields)
        return Trained(repository.publish(staged.directory), examined.judged)


@dataclass(frozen=True, eq=False)
class _Examination:
    """What a bundle's answers on the held-out images say of it."""

    judged: Judgement
    robustness: Robustness
    inside: Inside

    @property
    def metrics(self) -> dict[str, float]:
        """Every number, by name, for the manifest."""
        return self.judged.metrics | self.robustness.metrics


def _examine(staged: Bundle, learned: Learned, test: Images) -> _Examination:
    """Hold the export against the network, then look at what it answers."""
    request, temperature = learned.request, learned.calibration.temperature
    model = open_graph(staged, Graph.MODEL, choose(Provider.CPU))
    seen = learned.images.crops
    gate.hold(gate.logits(model, seen), features.logits(learned.network, seen))
    answers = gate.logits(model, test.crops)
    images = len(test.labels)
    rows = np.arange(images) if request.full_report else subsample(images, seed=request.seed)
    return _Examination(
        judge(answers, test.labels, staged.manifest.labels, learned.calibration),
        measure(model, test.crops[rows], test.labels[rows], seed=request.seed),
        look(
            learned.network, staged, test.examples, answers,
            temperature=temperature, seed=request.seed,
        ),
    )  # fmt: skip


def _provenance(learned: Learned) -> Provenance:
    request, weights = learned.request, learned.weights
    return Provenance(
        backbone=learned.backbone.name,
        weights=weights.source,
        licence=weights.licence,
        created_by=request.command,
        parameters=parameters(learned.network.module),
        seed=request.seed,
        data_fingerprint=learned.data.fingerprint,
        libraries=export.libraries(),
    )


def _contents(staged: Bundle, learned: Learned, test: Images, examined: _Examination) -> Contents:
    return Contents(
        title=str(staged),
        command=staged.manifest.provenance.created_by,
        names=staged.manifest.labels,
        findings=tuple(learned.data.findings()),
        probes=learned.probes,
        forest=learned.forest,
        advice=learned.advice,
        lesson=_lesson(learned),
        suspects=suspects(learned.held_out, learned.images.labels),
        temperature=learned.calibration.temperature,
        judged=examined.judged,
        robustness=examined.robustness,
        test=test.shown,
        learning=learned.images.shown,
        inside=examined.inside,
    )


def _lesson(learned: Learned) -> Lesson | None:
    if learned.tuning is None:
        return None
    request = learned.request
    return lesson(learned.tuning, request.recipe, seed=request.seed)
