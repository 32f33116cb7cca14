"""From logits to named predictions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

_FRONT = 16
"""Classes that are sorted at first: a few take less time than a thousand."""


@dataclass(frozen=True)
class Prediction:
    """A class and the probability that the model gives it."""

    label: str
    index: int
    probability: float


def softmax(logits: npt.NDArray[np.generic], temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Probabilities from logits, over the last dimension, in float64.

    Args:
        logits: [..., K]; any finite values.
        temperature: divides the logits; above 1 it makes the probabilities less sure
            (Guo et al. 2017, "On calibration of modern neural networks").
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def predict(
    logits: npt.NDArray[np.generic],
    labels: Sequence[str],
    *,
    top_k: int,
    temperature: float = 1.0,
) -> tuple[Prediction, ...]:
    """The most probable classes of one image; see `ranked` and `softmax`.

    Args:
        logits: [K].
        labels: K names.
        top_k: how many, at least 1.
        temperature: see `softmax`.
    """
    return top(softmax(logits, temperature), labels, top_k)


def top(
    probabilities: npt.NDArray[np.float64], labels: Sequence[str], count: int
) -> tuple[Prediction, ...]:
    """The first classes of `ranked`; all, where the model has no more than `count`."""
    return tuple(islice(ranked(probabilities, labels), count))


def ranked(probabilities: npt.NDArray[np.float64], labels: Sequence[str]) -> Iterator[Prediction]:
    """The classes of one image, most probable first; sorted only as far as they are asked for.

    Equal probabilities are listed by index.

    Args:
        probabilities: [K].
        labels: K names.
    """
    front = min(_FRONT, len(probabilities))
    for start, count in ((0, front), (front, len(probabilities))):
        least = np.partition(probabilities, -count)[-count]
        (few,) = (probabilities >= least).nonzero()
        best = few[(-probabilities[few]).argsort(kind="stable")][start:count]
        for index in best.tolist():
            yield Prediction(labels[index], index, float(probabilities[index]))
