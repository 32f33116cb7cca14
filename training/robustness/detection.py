"""How well feature squeezing tells a model's attacked images from others."""

import numpy as np
import numpy.typing as npt

from models.golden import to_float
from models.manifest import Squeezing
from service.core.network import Floats, Network
from service.core.robustness import squeezers
from service.core.robustness.criterion import Criterion
from service.core.robustness.eight_bit import to_levels
from service.core.robustness.evaluation import attack_of

ATTACK = "pgd@linf:2/255"
"""What squeezing is to find."""

FALSE_ALARMS = 0.05
"""The share of the fitting images that may be suspect, as in Xu et al. 2018, section 5."""


def detection(
    network: Network,
    crops: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    *,
    seed: int,
) -> Squeezing | None:
    """Fit a threshold on every other image, and judge it on the rest and their attacked likenesses.

    The attacker does not know of squeezing. Attacked images are rounded to 8 bits, as image files
    are; those that the attack did not fool, and those that were wrong before, do not count as
    attacked.

    Args:
        network: what is attacked.
        crops: uint8 [N, H, W, 3].
        labels: [N], the true classes.
        seed: of the attack's random choices.

    Returns:
        None where there are fewer than two images.

    Raises:
        Unsupported: the bundle has not got a graph that it needs.
        RuntimeFailure: the runtime failed.
    """
    fitting, judging = crops[::2], crops[1::2]
    if not len(judging):
        return None
    threshold = float(
        np.quantile(_most(network, to_float(fitting)), 1 - FALSE_ALARMS, method="higher")
    )
    fooled = _fooled(network, judging, labels[1::2], seed)
    return Squeezing(
        threshold=threshold,
        images=len(judging),
        false_alarms=float((_most(network, to_float(judging)) > threshold).mean()),
        attack=ATTACK,
        detection_rate=float((_most(network, fooled) > threshold).mean()) if len(fooled) else None,
    )


def _fooled(
    network: Network, crops: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], seed: int
) -> Floats:
    """Attacked images, [F, 3, H, W] in 8 bits, that are wrong where they were right."""
    right = network.logits(to_float(crops)).argmax(axis=1) == labels
    crops, labels = crops[right], labels[right]
    if not len(crops):
        return to_float(crops)
    attack, criterion = attack_of(ATTACK), Criterion(labels.astype(np.int64))
    moved = attack.run(network, to_float(crops), criterion, seed=seed, early=False)
    rounded = to_float(
        np.stack(
            [
                to_levels(image, crop, moved.threat.norm, attack.eps)
                for image, crop in zip(moved.images, crops, strict=True)
            ]
        )
    )
    return np.asarray(rounded[criterion.reached(network.logits(rounded))])


def _most(network: Network, images: Floats) -> Floats:
    """The disagreement under the squeezer that moves each answer most: [N]."""
    return np.asarray(np.max(list(squeezers.disagreement(network, images).values()), axis=0))
