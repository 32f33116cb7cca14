"""How much of a bundle's accuracy attacks leave, on held-out images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
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
    return Adversarial(
        {
            attack: float(standing(attack_of(attack), network, crops, labels, seed=seed).mean())
            for attack in attacks
        }
    )
