"""Oracle: a plain loop over the pixels, in PyTorch in float64."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.manifest import Graph
from service.core.network import Floats
from service.core.saliency.quality import STEPS, measure
from service.core.saliency.resampling import blur
from service.core.targets import Question, Target

TWO, NOUGHT, FOUR = Target(2, "two"), Target(0, "nought"), Target(4, "four")


def probability(subject: Any, image: Floats, question: Question) -> float:
    logits = subject.module(torch.from_numpy(image[None]).double())[0]
    if question.against is not None:
        logits = logits[[question.target.index, question.against.index]]
        return float(logits.softmax(0)[0])
    return float(logits.softmax(0)[question.target.index])


def area(subject: Any, start: Floats, end: Floats, saliency: Floats, question: Question) -> float:
    """Under the curve from one image to the other, the highest pixels of the map first."""
    image, values = start.copy(), []
    ranked = sorted(np.ndindex(*saliency.shape), key=lambda place: -saliency[place])
    for step in range(STEPS + 1):
        for place in ranked[: round(step * len(ranked) / STEPS)]:
            image[:, *place] = end[:, *place]
        values.append(probability(subject, image, question))
    return sum((a + b) / 2 for a, b in pairwise(values)) / STEPS


@pytest.fixture
def saliency() -> Floats:
    return np.random.default_rng(2).normal(size=(24, 20)).astype(np.float32)


@pytest.mark.parametrize("question", [Question(TWO), Question(NOUGHT, against=FOUR)])
def test_the_figures_are_those_of_a_plain_loop(
    subject: Any, image: Floats, saliency: Floats, question: Question
) -> None:
    found = measure(subject.network, image, saliency, question)
    grey = np.full_like(image, 0.5)
    assert found.deletion == pytest.approx(area(subject, image, grey, saliency, question), rel=1e-4)
    soft = blur(image, 0.05 * 20)
    assert found.insertion == pytest.approx(
        area(subject, soft, image, saliency, question), rel=1e-4
    )
    whole = probability(subject, image, question)
    mask: npt.NDArray[np.float32] = np.maximum(saliency, 0) / saliency.max()
    masked = probability(subject, image * mask, question)
    assert found.drop == pytest.approx(max(0, whole - masked) / whole, rel=1e-3)
    assert found.increase == (masked > whole)


def test_the_passes_are_counted_and_run_in_batches(
    subject: Any, image: Floats, saliency: Floats
) -> None:
    found = measure(subject.network, image, saliency, Question(TWO))
    rows = subject.runners[Graph.FLOAT].rows
    assert sum(rows) == found.passes
    assert max(rows) <= 7


def test_a_map_of_what_the_score_depends_on_is_better_than_its_opposite(
    pooled: Any, image: Floats
) -> None:
    given = torch.from_numpy(image[None]).double().requires_grad_()
    score = pooled.module(given)[0, 2]
    slopes = torch.autograd.grad(score, [given])[0][0]
    helpful = (slopes * (given[0] - 0.5)).sum(0).detach().numpy().astype(np.float32)
    good, bad = (
        measure(pooled.network, image, each, Question(TWO)) for each in (helpful, -helpful)
    )
    assert good.deletion < bad.deletion
    assert good.insertion > bad.insertion
