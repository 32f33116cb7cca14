"""What a check found."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from service.core.classification import softmax
from service.core.network import Floats
from service.core.robustness.attacked import Attacked, Threat
from service.core.robustness.eight_bit import distance, to_levels
from service.core.robustness.smoothing import Certificate
from service.core.robustness.subject import Subject


@dataclass(frozen=True, eq=False)
class Finding:
    """Whether an answer survived.

    Attributes:
        survived: whether `model.onnx` still gives the same answer, or for a target, does not
            give that one; None where the check cannot tell.
        answer: the class it gives the changed image.
        probability: of that class.
        threat: the attacker, where there is one.
        eps: the radius that the attack was bound to.
        distance: of the changed image, in the threat's norm and in units of [0, 1].
        only_in_floats: the attack fooled the fp32 graphs, but not the served model as an 8-bit
            image.
        image: uint8 [H, W, 3], the changed image, where it is one.
        certificate: of randomised smoothing.
        doubt: what is wrong where the answer itself is the same, as a verb before that answer.
        note: what else to know.
    """

    survived: bool | None
    answer: int
    probability: float
    threat: Threat | None = None
    eps: float | None = None
    distance: float | None = None
    only_in_floats: bool = False
    image: npt.NDArray[np.uint8] | None = field(default=None, repr=False)
    certificate: Certificate | None = None
    doubt: str | None = None
    note: str | None = None


def of_attack(
    subject: Subject, attacked: Attacked, *, eps: float | None, target: int | None = None
) -> Finding:
    """What the served model says of the first row's image, as 8 bits hold it."""
    found = confirmed(subject, attacked.images[0], attacked.threat, eps=eps, target=target)
    return replace(found, only_in_floats=bool(attacked.fooled[0]) and found.survived is True)


def confirmed(
    subject: Subject, moved: Floats, threat: Threat, *, eps: float | None, target: int | None
) -> Finding:
    """Round one image, [3, H, W], to 8 bits within its ball, and ask the served model."""
    image = to_levels(moved, subject.crop, threat.norm, eps)
    logits = subject.serve(image[np.newaxis])[0]
    answer = int(logits.argmax())
    fooled = answer != subject.answer if target is None else answer == target
    return Finding(
        survived=not fooled,
        answer=answer,
        probability=probability(logits, answer, subject),
        threat=threat,
        eps=eps,
        distance=distance(image, subject.crop, threat.norm),
        image=image,
    )


def of_changes(subject: Subject, crops: npt.NDArray[np.uint8], names: list[str]) -> Finding:
    """The worst of several changed images [N, H, W, 3]: the one whose answer holds least."""
    logits = subject.serve(crops)
    others = logits.copy()
    others[:, subject.answer] = -np.inf
    worst = int((others.max(axis=1) - logits[:, subject.answer]).argmax())
    answer = int(logits[worst].argmax())
    fooled = int((logits.argmax(axis=1) != subject.answer).sum())
    return Finding(
        survived=fooled == 0,
        answer=answer,
        probability=probability(logits[worst], answer, subject),
        image=crops[worst],
        note=f"worst: {names[worst]}; {fooled} of {len(crops)} change the answer",
    )


def probability(logits: Floats, answer: int, subject: Subject) -> float:
    """The probability of one class, of logits [K]."""
    return float(softmax(logits, subject.temperature)[answer])


def of_certificate(subject: Subject, certificate: Certificate) -> Finding:
    """A certified answer survived where it is the one that was given; abstention tells nothing."""
    logits = subject.serve(subject.crop[np.newaxis])[0]
    answer = subject.answer if certificate.answer is None else certificate.answer
    return Finding(
        survived=None if certificate.answer is None else certificate.answer == subject.answer,
        answer=answer,
        probability=probability(logits, answer, subject),
        certificate=certificate,
        doubt="cannot certify",
        note=f"the radius holds for the model under noise; {_learned_under(subject, certificate)}",
    )


def _learned_under(subject: Subject, certificate: Certificate) -> str:
    """Whether the network knows the noise; one that does not mostly abstains or is wrong."""
    if math.isclose(subject.noise, certificate.sigma):
        return "it was trained on noise of this sigma"
    trained = f"noise of sigma {subject.noise:g}" if subject.noise else "no noise"
    return (
        f"it was trained on {trained}, not on sigma {certificate.sigma:g}: expect it to abstain, "
        "or a small radius"
    )


def of_suspicion(subject: Subject, *, suspect: bool, note: str) -> Finding:
    """The answer as it is, and whether the image looks attacked."""
    logits = subject.serve(subject.crop[np.newaxis])[0]
    return Finding(
        survived=not suspect,
        answer=subject.answer,
        probability=probability(logits, subject.answer, subject),
        doubt="suspects an attack behind",
        note=note,
    )


def noted(found: Finding, note: str) -> Finding:
    """The same with a note."""
    return replace(found, note=note)
