"""`seewhy train`: from a user's photos to a bundle in the repository."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Provenance, Squeezing
from models.reference import REFERENCE
from models.repository import Repository
from models.thumbnails import THUMBNAILS
from service.core.robustness.evaluation import hold, requirement
from service.core.saliency.methods import possible
from service.runtime import loading
from service.runtime.providers import Provider, choose
from training import export, reference, thumbnails
from training.backbones import parameters
from training.data.dataset import Split
from training.judgement import Judgement, judge
from training.label_errors import suspects
from training.learn import Images, Learned, learn, read
from training.learning.processes import Processes
from training.learning.progress import Say
from training.network import network_of
from training.report.inside import Inside, look
from training.report.lesson import Lesson, lesson
from training.report.page import Contents, render
from training.request import Training
from training.robustness.adversarial import ATTACKS, Adversarial, attacked
from training.robustness.detection import detection
from training.robustness.measurement import Robustness, measure
from training.saliency.recommendation import (
    DOZENS_OF_PASSES,
    IMAGES,
    MANY_PASSES,
    Recommendation,
    recommend,
)
from training.served import Served, serve
from training.subsample import subsample

REPORT = "report.html"


@dataclass(frozen=True)
class Trained:
    """A published bundle, and how good it is on images that nothing was fitted to."""

    bundle: Bundle
    test: Judgement


def train(request: Training, repository: Repository, say: Say) -> Trained:
    """Learn, in this process alone, and publish; see `learn` and `publish`."""
    return publish(learn(request, say, Processes.alone()), repository, say)


def publish(learned: Learned, repository: Repository, say: Say) -> Trained:
    """Export what was learned, judge it on images held out, and publish it with its report.

    Raises:
        ExportError: the backbone cannot be exported, the export is not exact, or its precision
            costs too much.
        NotRobust: an attack leaves less of its accuracy than was asked for.
        GoldenMismatch: a graph does not compute what PyTorch does.
    """
    request, labels = learned.request, learned.data.dataset.labels
    with tempfile.TemporaryDirectory() as folder:
        fields = {
            "name": request.bundle_name,
            "version": repository.next_version(request.bundle_name),
            "labels": labels,
            "provenance": _provenance(learned),
        }
        staged = export.write(
            learned.network, learned.backbone, Path(folder), fields, seed=request.seed
        )
        loading.check(staged, choose(Provider.CPU))
        say("the network is exported, and its graphs compute what it does")
        test = read(learned.data.dataset.of(Split.TEST), learned.backbone)
        served = serve(staged, learned, test, say)
        examined = _examine(served, test, say)
        required = [requirement(each) for each in request.min_robust_accuracy]
        hold(examined.metrics, required, str(staged))
        _write_files(served, test, examined)
        fields = {
            **served.staged.manifest.model_dump(exclude={"sha256"}),
            "calibration": served.learned.calibration,
            "squeezing": examined.squeezing,
            "default_explanation": examined.recommendation.default,
            "metrics": examined.metrics | ({} if served.loss is None else served.loss.metrics),
        }
        bundles.write_manifest(staged.directory, fields)
        return Trained(repository.publish(staged.directory), examined.judged)


@dataclass(frozen=True, eq=False)
class _Examination:
    """What a bundle's answers on the held-out images say of it."""

    judged: Judgement
    robustness: Robustness
    adversarial: Adversarial
    squeezing: Squeezing | None
    recommendation: Recommendation
    inside: Inside

    @property
    def metrics(self) -> dict[str, float]:
        """Every number, by name, for the manifest."""
        return (
            self.judged.metrics
            | self.robustness.metrics
            | self.adversarial.metrics
            | self.recommendation.metrics
        )


def _examine(served: Served, test: Images, say: Say) -> _Examination:
    learned, images = served.learned, len(test.labels)
    request, calibration = learned.request, learned.calibration
    required = [requirement(each).attack for each in request.min_robust_accuracy]
    attacks = tuple(dict.fromkeys([*ATTACKS, *required]))
    rows = np.arange(images) if request.full_report else subsample(images, seed=request.seed)
    say("comparing saliency methods on held-out images")
    recommended = _recommend(served.staged, test, request)
    say(f"attacking {len(rows)} held-out images, and making them worse")
    return _Examination(
        judge(served.logits, test.labels, served.staged.manifest.labels, calibration),
        measure(served.model, test.crops[rows], test.labels[rows], seed=request.seed),
        attacked(served.staged, test.crops[rows], test.labels[rows], attacks, seed=request.seed),
        detection(
            network_of(served.staged), test.crops[rows], test.labels[rows], seed=request.seed
        ),
        recommended,
        look(
            learned.network, served.staged, recommended.default, test.examples, served.logits,
            temperature=calibration.temperature, seed=request.seed,
        ),
    )  # fmt: skip


def _recommend(staged: Bundle, test: Images, request: Training) -> Recommendation:
    """Find the saliency method that suits the network, on a few of the held-out images."""
    left_out = MANY_PASSES if request.full_report else (*MANY_PASSES, *DOZENS_OF_PASSES)
    methods = [name for name in possible(staged.manifest) if name not in left_out]
    rows = subsample(len(test.labels), most=IMAGES, seed=request.seed)
    return recommend(staged, test.crops[rows], methods, seed=request.seed)


def _write_files(served: Served, test: Images, examined: _Examination) -> None:
    """The reference, the thumbnails if they are wanted and the report, beside the graphs."""
    learned, directory = served.learned, served.staged.directory
    reference.save(
        directory / REFERENCE, learned.embedding, learned.images.labels,
        learned.images.shown.ids, learned.answers,
    )  # fmt: skip
    if learned.request.thumbnails:
        thumbnails.save(directory / THUMBNAILS, learned.images.crops)
    page = render(_contents(served, test, examined))
    (directory / REPORT).write_text(page, encoding="utf-8")


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
        noise=request.recipe.noise if learned.tuned else 0.0,
        libraries=export.libraries(),
    )


def _contents(served: Served, test: Images, examined: _Examination) -> Contents:
    staged, learned = served.staged, served.learned
    return Contents(
        title=str(staged),
        provenance=staged.manifest.provenance,
        recipe=learned.request.recipe,
        names=staged.manifest.labels,
        findings=tuple(learned.data.findings()),
        probes=learned.probes,
        forest=learned.forest,
        advice=learned.advice,
        lesson=_lesson(learned),
        suspects=suspects(learned.held_out, learned.images.labels),
        calibration=learned.calibration,
        loss=served.loss,
        judged=examined.judged,
        robustness=examined.robustness,
        adversarial=examined.adversarial,
        squeezing=examined.squeezing,
        recommendation=examined.recommendation,
        test=test.shown,
        learning=learned.images.shown,
        inside=examined.inside,
    )


def _lesson(learned: Learned) -> Lesson | None:
    if learned.tuning is None:
        return None
    request = learned.request
    return lesson(learned.tuning, request.recipe, seed=request.seed)
