"""What an attack raises, and its gradient through a network.

Every loss grows as the criterion comes nearer. Its gradient with respect to the logits, the
cotangent, goes into the network's backward graph. The cross-entropy's needs the softmax, which
the graph adds by itself; the others need the logits first, so that a step costs a forward pass
more.
"""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from models.errors import InvalidRequest
from service.core.network import Floats, Network
from service.core.robustness.criterion import Criterion, Ints

_DLR_CLASSES = 3
_TARGETED_DLR_CLASSES = 4
_TINY = 1e-12


class Loss(StrEnum):
    """Of an attack.

    `cross-entropy` of the label, or minus that of the target; `margin`, the best other logit
    minus the label's, or the target's minus the best other (Carlini & Wagner 2017, "Towards
    evaluating the robustness of neural networks", section V.A, f6); `dlr`, the margin over a
    difference of logits, so that their scale does not count (Croce & Hein 2020, "Reliable
    evaluation of adversarial robustness", section 4, equations 6 and 7).
    """

    CROSS_ENTROPY = "cross-entropy"
    MARGIN = "margin"
    DLR = "dlr"


class Ascent(NamedTuple):
    """`values` [N], the `gradient` [N, 3, H, W] that raises them, and `logits` [N, K]."""

    values: Floats
    gradient: Floats
    logits: Floats


def ascent(network: Network, images: Floats, criterion: Criterion, loss: Loss) -> Ascent:
    """The loss of each image and its gradient with respect to the pixels.

    Raises:
        InvalidRequest: the model has too few classes for the loss.
        Unsupported: the bundle has no gradient graph.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    if loss is Loss.CROSS_ENTROPY:
        sign = -1 if criterion.targets is None else 1
        wanted = criterion.labels if criterion.targets is None else criterion.targets
        cotangents = sign * _one_hot(wanted, network.classes)
        weights = np.full(len(images), -sign, dtype=np.float32)
        found = network.input_gradient(images, cotangents, weights)
        return Ascent(value(found.logits, criterion, loss), found.gradient, found.logits)
    logits = network.logits(images)
    found = network.input_gradient(images, cotangent(logits, criterion, loss))
    return Ascent(value(logits, criterion, loss), found.gradient, logits)


def value(logits: Floats, criterion: Criterion, loss: Loss) -> Floats:
    """The loss of each row: [N], of logits [N, K].

    Raises:
        InvalidRequest: there are too few classes for the loss.
    """
    if loss is Loss.CROSS_ENTROPY:
        wanted = criterion.labels if criterion.targets is None else criterion.targets
        shifted = logits - logits.max(axis=1, keepdims=True)
        surprise = np.log(np.exp(shifted).sum(axis=1)) - _of(shifted, wanted)
        return np.asarray(surprise if criterion.targets is None else -surprise)
    up, down = _contenders(logits, criterion, loss)
    margin = _of(logits, up) - _of(logits, down)
    if loss is Loss.MARGIN:
        return margin
    scale, _ = _scale(logits, criterion)
    return np.asarray(margin / scale, dtype=np.float32)


def cotangent(logits: Floats, criterion: Criterion, loss: Loss) -> Floats:
    """The gradient of the margin or DLR loss with respect to the logits: [N, K].

    Raises:
        InvalidRequest: there are too few classes for the loss.
    """
    classes = logits.shape[1]
    up, down = _contenders(logits, criterion, loss)
    numerator = _one_hot(up, classes) - _one_hot(down, classes)
    if loss is Loss.MARGIN:
        return numerator
    margin = _of(logits, up) - _of(logits, down)
    scale, denominator = _scale(logits, criterion)
    quotient = (numerator - (margin / scale)[:, np.newaxis] * denominator) / scale[:, np.newaxis]
    return np.asarray(quotient, dtype=np.float32)


def _contenders(logits: Floats, criterion: Criterion, loss: Loss) -> tuple[Ints, Ints]:
    """The class that is to rise and the one that is to fall."""
    if criterion.targets is None:
        return _best_other(logits, criterion.labels), criterion.labels
    if loss is Loss.DLR:
        return criterion.targets, criterion.labels
    return criterion.targets, _best_other(logits, criterion.targets)


def _best_other(logits: Floats, classes: Ints) -> Ints:
    others = logits.copy()
    others[np.arange(len(others)), classes] = -np.inf
    return np.asarray(others.argmax(axis=1))


def _scale(logits: Floats, criterion: Criterion) -> tuple[Floats, Floats]:
    """DLR's denominator [N] and its gradient with respect to the logits [N, K]."""
    classes = logits.shape[1]
    needed = _DLR_CLASSES if criterion.targets is None else _TARGETED_DLR_CLASSES
    if classes < needed:
        raise InvalidRequest(
            f"the DLR loss needs {needed} classes and the model has {classes}: take "
            "cross-entropy or margin"
        )
    order = np.argsort(-logits, axis=1, kind="stable")
    below = order[:, 2:3] if criterion.targets is None else order[:, 2:4]
    gradient = _one_hot(order[:, 0], classes)
    np.put_along_axis(
        gradient, below, np.take_along_axis(gradient, below, axis=1) - 1 / below.shape[1], axis=1
    )
    return np.maximum((gradient * logits).sum(axis=1), _TINY), gradient


def _of(logits: Floats, classes: Ints) -> Floats:
    return np.asarray(logits[np.arange(len(logits)), classes])


def _one_hot(classes: Ints, count: int) -> Floats:
    rows = np.zeros((len(classes), count), dtype=np.float32)
    rows[np.arange(len(classes)), classes] = 1
    return rows
