"""From logits to named predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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
    """The most probable classes of one image; see `top` and `softmax`.

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
    """The most probable classes of one image, most probable first.

    Equal probabilities are listed by index. Fewer than `count` are listed where the model has
    fewer classes.

    Args:
        probabilities: [K].
        labels: K names.
        count: how many, at least 1.
    """
    count = min(count, len(probabilities))
    # To sort a few is quicker than to sort a thousand.
    few = np.flatnonzero(probabilities >= np.partition(probabilities, -count)[-count])
    best = few[np.argsort(-probabilities[few], kind="stable")][:count]
    return tuple(
        Prediction(labels[index], index, float(probabilities[index])) for index in best.tolist()
    )
