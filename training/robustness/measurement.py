"""How many answers stay right when photos are corrupted, turned or shifted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from service.core.ports import Runner
from service.core.robustness.corruptions import CORRUPTIONS, corrupted
from service.core.robustness.geometry import ANGLES, SHIFTS, Axis, rotated, shifted
from training import gate

SEVERITIES = (1, 3, 5)
"""Of the five that ImageNet-C has, those that a training report shows."""

Bools = npt.NDArray[np.bool_]
Crops = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Whether answers are right as one thing about N images changes by several amounts.

    `amounts` [A] rise, and 0 leaves the images as they are; `right` is bool [A, N].
    """

    amounts: Sequence[float]
    right: Bools

    @property
    def accuracy(self) -> list[float]:
        """The share of right answers at each amount: [A]."""
        return [float(row.mean()) for row in self.right]


@dataclass(frozen=True, eq=False)
class Robustness:
    """What corruptions, rotations and shifts leave of a model's accuracy on some images.

    Attributes:
        images: how many there are.
        clean: the share of them that is right as they are.
        corruptions: the share that is right, by corruption and severity.
        rotation: by angle in degrees.
        shifts: by share of the side, along each axis.
    """

    images: int
    clean: float
    corruptions: dict[str, dict[int, float]]
    rotation: Sensitivity
    shifts: dict[Axis, Sensitivity]

    @property
    def rotation_worst(self) -> float:
        """The share of images that are right at every angle.

        That is the accuracy against an adversary who picks the worst angle of the grid for
        each image (Engstrom et al. 2019, "Exploring the landscape of spatial robustness";
        their grid is finer).
        """
        return _always(self.rotation)

    @property
    def shift_worst(self) -> float:
        """The share of images that are right at every shift, along either axis."""
        return _always(*self.shifts.values())

    @property
    def metrics(self) -> dict[str, float]:
        """Every number, by name, for the manifest."""
        corruptions = {
            f"corruption_{name}_{severity}": share
            for name, shares in self.corruptions.items()
            for severity, share in shares.items()
        }
        shifts = {
            name: share
            for axis, found in self.shifts.items()
            for name, share in _named(f"shift_{axis.name.lower()}", found).items()
        }
        return {
            "robustness_images": self.images,
            "robustness_clean": self.clean,
            **corruptions,
            **_named("rotation", self.rotation),
            "rotation_worst": self.rotation_worst,
            **shifts,
            "shift_worst": self.shift_worst,
        }


def measure(
    model: Runner,
    crops: Crops,
    labels: npt.NDArray[np.integer],
    *,
    seed: int,
    severities: Sequence[int] = SEVERITIES,
) -> Robustness:
    """Ask a model again after everything that is done to its images.

    Args:
        model: `model.onnx`.
        crops: uint8 [N, H, W, 3]; N at least 1.
        labels: [N], indices of the true classes.
        seed: of the corruptions' random numbers.
        severities: of the corruptions, from 1 to 5.

    Raises:
        RuntimeFailure: the runtime failed.
    """

    def right(images: Crops) -> Bools:
        return np.asarray(gate.logits(model, images).argmax(axis=1) == labels)

    clean = right(crops)

    def sensitivity(amounts: Sequence[float], change: Callable[[float], Crops]) -> Sensitivity:
        rows = [right(change(amount)) if amount else clean for amount in amounts]
        return Sensitivity(amounts, np.stack(rows))

    corruptions = {
        name: {
            severity: float(right(corrupted(crops, name, severity, seed=seed)).mean())
            for severity in severities
        }
        for name in CORRUPTIONS
    }
    rotation = sensitivity(ANGLES, partial(rotated, crops))
    shifts = {axis: sensitivity(SHIFTS, partial(shifted, crops, axis=axis)) for axis in Axis}
    return Robustness(len(crops), float(clean.mean()), corruptions, rotation, shifts)


def _always(*found: Sensitivity) -> float:
    return float(np.concatenate([each.right for each in found]).all(axis=0).mean())


def _named(name: str, found: Sensitivity) -> dict[str, float]:
    """The accuracy at each amount but 0, where nothing has changed."""
    shares = zip(found.amounts, found.accuracy, strict=True)
    return {f"{name}_{amount:g}": share for amount, share in shares if amount}
