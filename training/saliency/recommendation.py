"""Which saliency method to explain a model by, and what that rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.manifest import MethodName
from training.saliency import randomization
from training.saliency.comparison import Faithfulness, compare, ranked
from training.saliency.randomization import Stage

IMAGES = 16

MANY_PASSES: tuple[MethodName, ...] = ("scorecam", "occlusion", "rise")
"""Too slow to be compared where nobody asks for it: hundreds of passes a map."""

DOZENS_OF_PASSES: tuple[MethodName, ...] = ("smoothgrad", "integrated_gradients")
"""Too slow for every training."""


@dataclass(frozen=True, eq=False)
class Recommendation:
    """The most faithful method whose maps depend on what the network has learned.

    Attributes:
        images: so many photos were explained.
        compared: the figures of each method on them, the highest mean score first.
        checked: of the methods that were tried in turn, the maps while layers become random.
        chosen: the last of them, or None where none passed.
    """

    images: int
    compared: Sequence[Faithfulness]
    checked: Mapping[MethodName, Sequence[Stage]]
    chosen: MethodName | None

    @property
    def default(self) -> MethodName:
        """What the bundle is to explain by: where none is recommended, the simplest."""
        return self.chosen or "gradient"

    @property
    def metrics(self) -> dict[str, float]:
        """The scores for the manifest."""
        return {f"faithfulness_{each.method}": float(each.score.mean()) for each in self.compared}


def recommend(
    bundle: Bundle, crops: npt.NDArray[np.uint8], methods: Sequence[MethodName], *, seed: int
) -> Recommendation:
    """Compare methods on the top classes of some photos, and check the best for sanity.

    Args:
        bundle: what is explained.
        crops: uint8 [N, H, W, 3].
        methods: some of those that are possible for the bundle.
        seed: of the random layers.

    Raises:
        Unsupported: the bundle has not got a graph that is needed.
        RuntimeFailure: the runtime failed, or a map is not finite.
    """
    found = sorted(compare(bundle, crops, methods), key=lambda each: -each.score.mean())
    checked: dict[MethodName, Sequence[Stage]] = {}
    for name in ranked(found):
        checked[name] = randomization.check(bundle, crops, name, seed=seed)
        if randomization.passes(checked[name]):
            return Recommendation(len(crops), found, checked, name)
    return Recommendation(len(crops), found, checked, None)
