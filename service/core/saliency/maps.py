"""What a saliency method finds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.core.network import Floats
from service.core.saliency.resampling import enlarge


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of one image.

    Attributes:
        values: float32 [M, H, W], one for each cotangent, in the method's own units.
        passes: images that went through a graph for all of them.
        gaps: [M], by how much the attributions miss the difference of score that they share
            out, relative to it; None for a method that promises no such sum.
        coarse: [M, h, w], not negative, of which `values` are the enlargement; None where they
            are none.
    """

    values: Floats
    passes: int
    gaps: npt.NDArray[np.float64] | None = None
    coarse: npt.NDArray[np.floating] | None = None


def enlarged(coarse: npt.NDArray[np.floating], image: Floats, *, passes: int) -> Maps:
    """Maps [M, h, w], not negative, brought to the size of the image [3, H, W]."""
    return Maps(enlarge(coarse, image.shape[1:]), passes, coarse=coarse)
