"""What fewer bits cost in answers: the same images, before and after."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import ExportError
from models.manifest import Precision
from training.evaluate import Ints, require_finite
from training.paired import difference_interval


@dataclass(frozen=True)
class PrecisionLoss:
    """A `model.onnx` of lower precision beside the float32 one, on images with known classes.

    `agreement` is the share of the `images` that get the same answer. `drop` is the accuracy
    lost in points, below 0 where some was gained; `interval` holds it at 95%. `sizes` are
    those of what serves, in bytes, before and after.
    """

    precision: Precision
    images: int
    agreement: float
    drop: float
    interval: tuple[float, float]
    sizes: tuple[int, int]

    @property
    def metrics(self) -> dict[str, float]:
        """What the manifest says of it."""
        low, high = self.interval
        return {
            "fp32_agreement": self.agreement,
            "fp32_drop": self.drop,
            "fp32_drop_low": low,
            "fp32_drop_high": high,
        }

    @property
    def outcome(self) -> str:
        """What was found, in one sentence."""
        (low, high), (before, after) = self.interval, self.sizes
        return (
            f"{self.precision} answers {self.agreement:.1%} of {self.images} held-out images as "
            f"fp32 does and loses {self.drop:.1f} points of accuracy (95% interval {low:.1f} to "
            f"{high:.1f}); what serves takes {after / 1e6:.1f} MB instead of {before / 1e6:.1f}."
        )

    def hold(self, largest: float) -> None:
        """Refuse a loss that is larger than allowed beyond doubt.

        Args:
            largest: in points.

        Raises:
            ExportError: even the interval's better end is above it.
        """
        if self.interval[0] > largest:
            raise ExportError(f"{self.outcome} --max-drop {largest:g} does not allow that")


def precision_loss(
    exact: npt.NDArray[np.floating],
    rounded: npt.NDArray[np.floating],
    labels: Ints,
    *,
    precision: Precision,
    sizes: tuple[int, int],
) -> PrecisionLoss:
    """Compare logits [N, K] of the float32 graph and of a rounded one with the truth [N].

    Raises:
        DataError: there are no images.
        TrainingError: a logit is not finite.
    """
    require_finite(rounded)
    before, after = exact.argmax(axis=1), rounded.argmax(axis=1)
    lost = int(np.sum((before == labels) & (after != labels)))
    gained = int(np.sum((before != labels) & (after == labels)))
    images = len(labels)
    low, high = difference_interval(lost, gained, images)
    return PrecisionLoss(
        precision,
        images,
        float(np.mean(before == after)),
        100 * (lost - gained) / images,
        (100 * low, 100 * high),
        sizes,
    )
