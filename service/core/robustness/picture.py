"""An image, what was done to it, and what came out, side by side."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

_GREY = 128
_GAP = 8


@dataclass(frozen=True)
class Comparison:
    """A PNG, and the factor by which the change in its middle is amplified."""

    png: bytes
    factor: float


def compare(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> Comparison:
    """Draw the image, the change on grey, amplified so that it fills the range, and the outcome.

    Args:
        before: uint8 [H, W, 3].
        after: of the same shape.
    """
    change = after.astype(np.int16) - before
    factor = (_GREY - 1) / max(int(np.abs(change).max()), 1)
    shown = np.rint(_GREY + factor * change).astype(np.uint8)
    gap = np.full((before.shape[0], _GAP, 3), 255, dtype=np.uint8)
    png = BytesIO()
    Image.fromarray(np.hstack([before, gap, shown, gap, after])).save(png, "PNG")
    return Comparison(png.getvalue(), factor)
