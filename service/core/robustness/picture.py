"""An image, what was done to it, and what came out, side by side."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.manifest import MethodName
from service.core import heatmap
from service.core.localization import object_box
from service.core.network import Network
from service.core.saliency.explanation import explain
from service.core.saliency.parameters import Parameters
from service.core.targets import Question, Target

Pixels = npt.NDArray[np.uint8]

_GREY = 128
_WHITE = 255
_GAP = 8


@dataclass(frozen=True)
class Comparison:
    """A PNG, and the factor by which the change in its middle is amplified."""

    png: bytes
    factor: float


def compare(
    before: Pixels, after: Pixels, evidence: tuple[Pixels, Pixels] | None = None
) -> Comparison:
    """Draw the image, the change on grey, amplified so that it fills the range, and the outcome.

    Args:
        before: uint8 [H, W, 3].
        after: of the same shape.
        evidence: of the same shape, what to draw below the two; None: nothing.
    """
    change = after.astype(np.int16) - before
    factor = (_GREY - 1) / max(int(np.abs(change).max()), 1)
    shown = np.rint(_GREY + factor * change).astype(np.uint8)
    picture = _row(before, shown, after)
    if evidence is not None:
        below = _row(evidence[0], np.full_like(before, _WHITE), evidence[1])
        gap = np.full((_GAP, picture.shape[1], 3), _WHITE, dtype=np.uint8)
        picture = np.vstack([picture, gap, below])
    png = BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    return Comparison(png.getvalue(), factor)


def heat(network: Network, crop: Pixels, answer: Target, method: MethodName) -> Pixels:
    """The evidence for an answer and the box around it drawn over its crop, uint8 [H, W, 3].

    Raises:
        Unsupported: the bundle has not got what the method needs.
        RuntimeFailure: the runtime failed, or the map is not finite.
        Unavailable: there is no room or no session for it now.
    """
    (found,) = explain(network, crop, [Question(answer)], method, Parameters())
    height, width = crop.shape[:2]
    box = object_box(found.map, found.coarse)  # in the crop's pixels, which are the map's
    return np.asarray(heatmap.laid_over(crop, found.map, (0, 0, width, height), box))


def _row(*pictures: Pixels) -> Pixels:
    gap = np.full((pictures[0].shape[0], _GAP, 3), _WHITE, dtype=np.uint8)
    first, *others = pictures
    return np.hstack([first, *(part for other in others for part in (gap, other))])
