"""How much of a model's accuracy attacks leave standing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import InvalidRequest, NotRobust
from models.golden import to_float
from service.core.network import Network
from service.core.robustness.adversaries import Attack
from service.core.robustness.criterion import Bools, Criterion
from service.core.robustness.notation import parse

METRIC = "robust_accuracy_"
"""What a robust accuracy's name in a manifest begins with; the attack's notation follows."""


@dataclass(frozen=True)
class Requirement:
    """The least accuracy that an attack has to leave: `pgd@linf:1/255=0.3`."""

    attack: str
    least: float


def requirement(text: str) -> Requirement:
    """Read a requirement: an attack as in `notation`, an equals sign, and a share of images.

    Raises:
        InvalidRequest: it is no attack within a ball, or no share.
    """
    attack, _, share = text.rpartition("=")
    try:
        least = float(share)
    except ValueError:
        least = float("nan")
    if not 0 <= least <= 1:
        raise InvalidRequest(f"{text!r} has to end in a share, as in pgd@linf:1/255=0.3")
    attack_of(attack)
    return Requirement(attack, least)


def hold(metrics: Mapping[str, float], required: Sequence[Requirement], bundle: str) -> None:
    """Hold a bundle's measured robustness against what is required.

    Args:
        metrics: of its manifest.
        required: of each attack.
        bundle: its name, for the message.

    Raises:
        NotRobust: an attack leaves too little, or it is not known what it leaves.
    """
    for each in required:
        found = _left_by(each.attack, metrics)
        if found is None:
            raise NotRobust(f"{bundle}: what {each.attack} leaves of its accuracy is not measured")
        if found < each.least:
            raise NotRobust(
                f"{bundle}: {each.attack} leaves {found:.1%} of the images right, and "
                f"{each.least:.1%} is the least"
            )


def _left_by(attack: str, metrics: Mapping[str, float]) -> float | None:
    """The accuracy that an attack leaves, whichever of its texts a manifest has; None: not there.

    An attack has many: `pgd:1/255` is `pgd@linf:1/255` and `pgd@linf:1/255,steps=20`.
    """
    asked = attack_of(attack)
    measured = (name for name in metrics if name.startswith(METRIC))
    same = (name for name in measured if attack_of(name.removeprefix(METRIC)) == asked)
    return next((metrics[name] for name in same), None)


def attack_of(text: str) -> Attack:
    """The attack that a text names.

    Raises:
        InvalidRequest: it names none, or a check that is no attack within a ball, or a target.
    """
    checks = list(parse(text).values())
    if len(checks) != 1 or not isinstance(checks[0], Attack) or checks[0].target is not None:
        raise InvalidRequest(
            f"{text!r} is no untargeted attack within a ball, as pgd@linf:1/255 is"
        )
    return checks[0]


def standing(
    attack: Attack,
    network: Network,
    crops: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    *,
    seed: int,
) -> Bools:
    """Which images are right and stay so under an attack on the fp32 graphs: [N].

    Args:
        attack: by what.
        network: what is attacked.
        crops: uint8 [N, H, W, 3].
        labels: [N], the true classes.
        seed: of the attack's random choices.

    Raises:
        InvalidRequest: the model has too few classes for the attack.
        Unsupported: the bundle has not got a graph that it needs.
        RuntimeFailure: the runtime failed.
    """
    images = to_float(crops)
    right = np.asarray(network.logits(images).argmax(axis=1) == labels)
    if right.any():
        criterion = Criterion(np.asarray(labels[right], dtype=np.int64))
        found = attack.run(network, images[right], criterion, seed=seed, early=True)
        right[right] = ~found.fooled
    return right
