"""The report as an HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.manifest import Calibration, Provenance, Squeezing
from training.advisor import Advice
from training.forest import Forest
from training.judgement import Judgement
from training.label_errors import Suspect
from training.precision_loss import PrecisionLoss
from training.probe import Probe
from training.recipe import Recipe
from training.report import pictures
from training.report.inside import Inside
from training.report.lesson import Lesson
from training.report.next_steps import next_steps
from training.report.template import template
from training.robustness.adversarial import Adversarial
from training.robustness.measurement import SEVERITIES, Robustness
from training.saliency.recommendation import Recommendation

SUSPECTS = 24
"""Images with doubted labels that are shown."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Images by row: `ids` [N], and `crops` uint8 [N, H, W, 3], what the model saw of them."""

    ids: Sequence[str]
    crops: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Contents:
    """What a report tells.

    Attributes:
        title: the bundle's name and version.
        provenance: the bundle's.
        recipe: how it was trained.
        names: [K], of the classes.
        findings: what is to know of the data, a line each.
        probes: all that were fitted, the chosen one first.
        forest: beside them, what a classifier that is not linear comes to.
        lesson: how the network was trained; None where it was not.
        advice: what was advised and why; None where the user chose.
        suspects: images learned from whose label is doubted, to be shown in this order.
        calibration: the bundle's.
        loss: what the precision of `model.onnx` costs; None in fp32.
        judged: on the held-out images.
        robustness: on some or all of them.
        adversarial: on the same ones.
        squeezing: on the same ones; None where there were too few.
        recommendation: the saliency method that suits the network, by some of them.
        test: the held-out images.
        learning: the images learned from.
        inside: what the network looks like.
    """

    title: str
    provenance: Provenance
    recipe: Recipe
    names: tuple[str, ...]
    findings: tuple[str, ...]
    probes: Sequence[Probe]
    forest: Forest
    lesson: Lesson | None
    advice: Advice | None
    suspects: Sequence[Suspect]
    calibration: Calibration
    loss: PrecisionLoss | None
    judged: Judgement
    robustness: Robustness
    adversarial: Adversarial
    squeezing: Squeezing | None
    recommendation: Recommendation
    test: Shown
    learning: Shown
    inside: Inside


def summary(judged: Judgement) -> str:
    """The outcome in one sentence."""
    found = judged.calibrated
    return (
        f"Of {found.confusion.sum()} held-out images {found.top1:.1%} are right; "
        f"balanced accuracy {found.balanced_accuracy:.1%}, calibration error {found.ece:.3f}."
    )


def render(contents: Contents) -> str:
    """The page; it loads nothing, and the same contents give the same bytes."""
    judged = contents.judged
    return template("page.html").render(
        title=contents.title,
        summary=summary(judged),
        provenance=contents.provenance,
        recipe=_recipe(contents),
        next_steps=next_steps(
            judged.calibrated,
            doubted=len(contents.suspects),
            advice=contents.advice,
            diagnosis=None if contents.lesson is None else contents.lesson.diagnosis,
        ),
        findings=contents.findings,
        names=contents.names,
        judged=judged,
        calibration=contents.calibration,
        loss=contents.loss,
        probes=contents.probes,
        forest=contents.forest,
        lesson=contents.lesson,
        advice=contents.advice,
        layers=_layers(contents.advice),
        confusion=_shaded(judged.calibrated.confusion),
        mistakes=_mistakes(contents),
        suspects=_suspects(contents),
        doubted=len(contents.suspects),
        reliability=pictures.reliability(judged.uncalibrated, judged.calibrated),
        risk_coverage=pictures.risk_coverage(judged.calibrated),
        inside=contents.inside,
        test=contents.test,
        robustness=contents.robustness,
        adversarial=contents.adversarial,
        squeezing=contents.squeezing,
        recommendation=contents.recommendation,
        severities=SEVERITIES,
        rotation=pictures.rotation(contents.robustness.rotation),
        shift=pictures.shift(contents.robustness.shifts),
    )


def _recipe(contents: Contents) -> dict[str, Any]:
    """Every choice, the rate that a sweep has found among them."""
    sweep = None if contents.lesson is None else contents.lesson.tuning.history.sweep
    found = {} if sweep is None else {"rate": f"{sweep.chosen:.1e}, found by the sweep"}
    return contents.recipe.choices | found


def _layers(advice: Advice | None) -> str | None:
    if advice is None:
        return None
    return pictures.accuracy_by_depth({"this network": advice.evidence.layers})


def _shaded(confusion: npt.NDArray[np.int64]) -> list[list[tuple[int, float]]]:
    """Each count with its share of the row."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return [
        list(zip(counts, row, strict=True))
        for counts, row in zip(confusion.tolist(), shares.tolist(), strict=True)
    ]


def _mistakes(contents: Contents) -> list[dict[str, Any]]:
    return [
        _figure(contents.test, each.index, each.predicted, each.probability, each.label)
        for each in contents.judged.calibrated.mistakes
    ]


def _suspects(contents: Contents) -> list[dict[str, Any]]:
    names = contents.names
    return [
        _figure(
            contents.learning, each.index, names[each.likelier], each.probability, names[each.label]
        )
        for each in contents.suspects[:SUSPECTS]
    ]


def _figure(
    shown: Shown, row: int, predicted: str, probability: float, label: str
) -> dict[str, Any]:
    return {
        "id": shown.ids[row],
        "picture": pictures.thumbnail(shown.crops[row]),
        "predicted": predicted,
        "probability": probability,
        "label": label,
    }
