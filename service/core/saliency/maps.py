"""What a saliency method finds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.core.network import Floats


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of one image.

    Attributes:
        values: float32 [M, H, W], one for each cotangent, in the method's own units.
        passes: images that went through a graph for all of them.
        gaps: [M], by how much the attributions miss the difference of score that they share
            out, relative to it; None for a method that promises no such sum.
    """

    values: Floats
    passes: int
    gaps: npt.NDArray[np.float64] | None = None
