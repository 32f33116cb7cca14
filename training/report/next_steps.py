"""What to do next: the steps that a model's figures speak for, the most promising first."""

import numpy as np
from scipy.stats import binomtest

from training.advisor import Advice
from training.diagnosis import GOOD, Diagnosis
from training.evaluate import Evaluation

COMPARE = (
    "Measure other backbones on these images with seewhy compare: one that knows more may serve "
    "better."
)

OFTEN = 2
"""A mistake that was made once is none to learn from."""

VAGUE = 0.1
"""Width of the accuracy's 95% interval above which too few images have judged it."""


def next_steps(
    found: Evaluation, *, doubted: int, advice: Advice | None, diagnosis: Diagnosis | None
) -> list[str]:
    """Each step in a sentence, with what speaks for it; there is at least one.

    Args:
        found: the answers on held-out images.
        doubted: labels that are probably wrong.
        advice: None where the user chose how to train.
        diagnosis: what the learning curves show; None where nothing was learned, or they say
            nothing.
    """
    steps = (
        _labels(doubted),
        _budget(advice),
        _curves(diagnosis),
        _confused(found),
        _held_out(found),
        COMPARE,
    )
    return [step for step in steps if step is not None]


def _labels(doubted: int) -> str | None:
    if not doubted:
        return None
    return (
        f"Look at the labels that are doubted below ({doubted}), mend those that are wrong, and "
        "train again."
    )


def _budget(advice: Advice | None) -> str | None:
    if advice is None or not advice.hurried:
        return None
    return f"Raise --budget, so that the network is trained: {advice.reason}"


def _curves(diagnosis: Diagnosis | None) -> str | None:
    if diagnosis is None or diagnosis is GOOD:
        return None
    return f"The learning curves show {diagnosis.name}: {diagnosis.advice}."


def _confused(found: Evaluation) -> str | None:
    """The classes of the most common mistake."""
    mistaken = found.confusion - np.diag(found.confusion.diagonal())
    count = int(mistaken.max())
    if count < OFTEN:
        return None
    true, answered = (found.classes[row] for row in np.argwhere(mistaken == count)[0])
    return (
        f"Add images of {true.name} and {answered.name} to learn from: {count} of {true.support} "
        f"held-out images of {true.name} are taken for {answered.name}, the most common mistake."
    )


def _held_out(found: Evaluation) -> str | None:
    right, images = int(found.confusion.trace()), int(found.confusion.sum())
    interval = binomtest(right, images).proportion_ci(method="wilson")
    if interval.high - interval.low <= VAGUE:
        return None
    return (
        f"Hold out more images to be surer how good it is: {images} say no more than that "
        f"{interval.low:.0%} to {interval.high:.0%} of all are right (95% interval)."
    )
