"""How much of a bundle's accuracy attacks leave, on held-out images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from service.core.robustness.adversaries import Attack
from service.core.robustness.evaluation import METRIC, attack_of, standing
from training.network import network_of

ATTACKS = ("pgd@linf:0.5/255", "pgd@linf:1/255", "pgd@linf:2/255")
"""What every trained model is attacked by."""


@dataclass(frozen=True)
class Adversarial:
    """The accuracy that each attack leaves, by its notation."""

    accuracy: dict[str, float]

    @property
    def metrics(self) -> dict[str, float]:
        """Every number, by name, for the manifest."""
        return {METRIC + attack: share for attack, share in self.accuracy.items()}


def attacked(
    bundle: Bundle,
    crops: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    attacks: Sequence[str],
    *,
    seed: int,
) -> Adversarial:
    """Attack a bundle's fp32 graphs with its own gradients.

    What fools an image within a ball does so within a larger one too: an image stands only where
    it stands against the same attack with every smaller eps that is asked for.

    Args:
        bundle: with `float.onnx` and `gradient.onnx`.
        crops: uint8 [N, H, W, 3]; N at least 1.
        labels: [N], indices of the true classes.
        attacks: as `notation` writes them.
        seed: of the attacks' random choices.

    Raises:
        InvalidRequest: an attack is none, or needs more classes than the model has.
        Unsupported: the bundle has no such graph.
        RuntimeFailure: the runtime failed.
    """
    network = network_of(bundle)
    asked = {text: attack_of(text) for text in attacks}
    stood = {
        text: standing(attack, network, crops, labels, seed=seed) for text, attack in asked.items()
    }
    return Adversarial(
        {
            text: float(
                np.all([stood[each] for each in asked if _within(asked[each], attack)], 0).mean()
            )
            for text, attack in asked.items()
        }
    )


def _within(one: Attack, other: Attack) -> bool:
    """Whether one is the other with an eps that is no larger."""
    return one.model_copy(update={"eps": other.eps}) == other and one.eps <= other.eps
