"""Which class an explanation is about, and which one it is held against."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import SameClass, UnknownClass
from service.core.classification import softmax

TOP = "top1"
"""The class with the highest logit, by a word."""

_LISTED = 10
"""Most classes that a message names."""


@dataclass(frozen=True)
class Target:
    """The class that is explained."""

    index: int
    label: str


@dataclass(frozen=True)
class Question:
    """Why this class; or, with `against`, why this class and not that one.

    Raises:
        SameClass: a class is held against itself.
    """

    target: Target
    against: Target | None = None

    def __post_init__(self) -> None:
        """Refuse what would cost passes to find nothing, or a map that explains nothing."""
        if self.target == self.against:
            raise SameClass(f"target and against are the same class, {self.target.label!r}")

    def cotangent(self, classes: int) -> npt.NDArray[np.float32]:
        """The row [K] whose product with the logits is the score in question.

        One-hot for a class; for a contrast, the difference of the two classes' rows.
        """
        row = np.zeros(classes, dtype=np.float32)
        row[self.target.index] = 1
        if self.against is not None:
            row[self.against.index] = -1
        return row

    def probability(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """The target's probability [N] from logits [N, K]; of a contrast, among the two."""
        if self.against is None:
            return softmax(logits)[:, self.target.index]
        return softmax(logits[:, [self.target.index, self.against.index]])[:, 0]


def resolve(
    target: int | str | None, labels: Sequence[str], logits: npt.NDArray[np.generic]
) -> Target:
    """Find the class that a request names.

    Args:
        target: a class index; or a label, in full or one of its comma-separated synonyms,
            in any case; or the digits of an index, where no label reads so; `top1` or None for
            the class with the highest logit.
        labels: K names.
        logits: [K], of the image that is explained.

    Raises:
        UnknownClass: no class is meant, or more than one.
    """
    if target is None or target == TOP:
        target = int(np.argmax(logits))
    return named(target, labels)


def named(target: int | str, labels: Sequence[str]) -> Target:
    """As `resolve`, for a class that is named.

    Raises:
        UnknownClass: no class is meant, or more than one.
    """
    index = target if isinstance(target, int) else _index_of(target, labels)
    if not 0 <= index < len(labels):
        raise UnknownClass(f"class {index} is out of range: the model has {len(labels)} classes")
    return Target(index, labels[index])


def _index_of(name: str, labels: Sequence[str]) -> int:
    wanted = name.strip().casefold()
    whole = [i for i, label in enumerate(labels) if label.casefold() == wanted]
    matches = whole or [i for i, label in enumerate(labels) if wanted in _synonyms(label)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownClass(f"{name!r} names several classes: give one of the indices {matches}")
    if wanted.isascii() and wanted.isdecimal():
        return int(wanted)
    near = _suggestions(wanted, sorted({s for label in labels for s in _synonyms(label)}))
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else _listed(labels)
    raise UnknownClass(f"{name!r} is no class of this model; {hint}")


def _listed(labels: Sequence[str]) -> str:
    """What there is, as far as a message has room for it."""
    more = f" and {len(labels) - _LISTED:,} more" if len(labels) > _LISTED else ""
    return f"there are: {', '.join(map(repr, labels[:_LISTED]))}{more}"


def _synonyms(label: str) -> list[str]:
    return [synonym.strip() for synonym in label.casefold().split(",")]


def _suggestions(wanted: str, synonyms: Sequence[str]) -> list[str]:
    """Up to three: those that have the word in them first, then those spelt alike."""
    containing = [synonym for synonym in synonyms if wanted in synonym.split()]
    alike = difflib.get_close_matches(wanted, synonyms, n=3)
    return list(dict.fromkeys(containing + alike))[:3]
