"""What came of an attack: where the images went, and under which threat model."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from service.core.network import Floats
from service.core.robustness.criterion import Bools, Ints
from service.core.robustness.norms import Norm


@dataclass(frozen=True)
class Threat:
    """What an attacker may do and knows; a figure means nothing without it.

    Carlini et al. 2019, "On evaluating adversarial robustness", section 2.2.

    Attributes:
        norm: what bounds the perturbation.
        targeted: whether one certain answer is wanted, or any other.
        white_box: whether the attacker has the gradients, or sees the logits alone.
        attack: by what, with its parameters.
    """

    norm: Norm
    targeted: bool
    white_box: bool
    attack: str


@dataclass(frozen=True, eq=False)
class Attacked:
    """N rows after an attack.

    Attributes:
        images: float32 [N, 3, H, W] in [0, 1]; where a row withstood, the last that was tried.
        logits: float32 [N, K] of these images.
        fooled: bool [N], whether the criterion is reached.
        threat: the attacker.
    """

    images: Floats
    logits: Floats
    fooled: Bools
    threat: Threat

    def best_of(self, restarts: int) -> "Attacked":
        """Of each `restarts` rows in turn the first that was fooled, else the first.

        Every image then has one row: N / restarts rows are left.
        """
        tried = self.fooled.reshape(-1, restarts)
        chosen: npt.NDArray[np.int64] = np.arange(len(tried)) * restarts + tried.argmax(axis=1)
        return Attacked(self.images[chosen], self.logits[chosen], self.fooled[chosen], self.threat)

    def replaced(self, rows: Ints, other: "Attacked") -> "Attacked":
        """The same with some rows, [R], as another attack left them."""
        images, logits, fooled = self.images.copy(), self.logits.copy(), self.fooled.copy()
        images[rows], logits[rows], fooled[rows] = other.images, other.logits, other.fooled
        attack = f"{self.threat.attack}; {other.threat.attack}"
        return Attacked(images, logits, fooled, replace(self.threat, attack=attack))
