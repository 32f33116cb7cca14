"""How faithful a map is to the network: what the pixels that it names are worth to it.

No figure says it all, and they disagree with each other; compare methods on many photos.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.core.network import Floats, Network
from service.core.saliency.integrated_gradients import BLUR
from service.core.saliency.occlusion import COVER
from service.core.saliency.resampling import blur
from service.core.targets import Question

STEPS = 32
"""Equal portions of pixels in which a photo is deleted and inserted."""


@dataclass(frozen=True)
class Quality:
    """Probabilities of what is asked about, as a photo is changed by its map.

    Attributes:
        insertion: the mean while pixels are uncovered, those first that the map rates highest;
            in [0, 1], more is better.
        deletion: the same while they are covered; less is better.
        drop: by how much the photo times its map has less than the photo, as a share; in
            [0, 1], less is better.
        increase: whether it has more.
        passes: images that went through `float.onnx`.
    """

    insertion: float
    deletion: float
    drop: float
    increase: bool
    passes: int


def measure(network: Network, image: Floats, saliency: Floats, question: Question) -> Quality:
    """Measure a map.

    Insertion and deletion: Petsiuk et al. 2018, "RISE", section 4.2, the areas under the
    curves; covered is grey, and insertion begins with the image blurred, as there. Drop and
    increase: Chattopadhyay et al. 2018, "Grad-CAM++", section 5.1, for one image.

    Args:
        network: see the package.
        image: float32 [3, H, W] in [0, 1].
        saliency: float32 [H, W], not zero everywhere; what is negative speaks against.
        question: what it explains.

    Raises:
        Unsupported: the bundle has no `float.onnx`.
        RuntimeFailure: the runtime failed.
        Unavailable: there is no room or no session for it now.
    """
    ranks = np.empty(saliency.size, dtype=np.int64)
    ranks[np.argsort(-saliency, axis=None, kind="stable")] = np.arange(saliency.size)
    order = ranks.reshape(saliency.shape)
    blurred = blur(image, BLUR * min(saliency.shape))
    deleted = _curve(network, question, order, (image, np.full_like(image, COVER)))
    inserted = _curve(network, question, order, (blurred, image))
    speaking = np.maximum(saliency, 0)
    seen = image * (speaking / (speaking.max() or 1))
    masked = float(question.probability(network.logits(seen[np.newaxis]))[0])
    whole = float(deleted[0])
    return Quality(
        insertion=float(np.trapezoid(inserted, dx=1 / STEPS)),
        deletion=float(np.trapezoid(deleted, dx=1 / STEPS)),
        drop=max(0.0, whole - masked) / whole if whole > 0 else 0.0,
        increase=masked > whole,
        passes=2 * (STEPS + 1) + 1,
    )


def _curve(
    network: Network,
    question: Question,
    order: npt.NDArray[np.int64],
    ends: tuple[Floats, Floats],
) -> npt.NDArray[np.float64]:
    """Probabilities [STEPS + 1] on the way from one image to the other, pixel by pixel in order."""
    start, end = ends
    counts = np.linspace(0, order.size, STEPS + 1).round()
    probabilities = []
    for first in range(0, len(counts), network.batch):
        some = counts[first : first + network.batch]
        changed = order < some[:, np.newaxis, np.newaxis]
        images = np.where(changed[:, np.newaxis], end, start)
        probabilities.append(question.probability(network.logits(images)))
    return np.concatenate(probabilities)
