"""Saliency methods side by side on the same photos, and which one to choose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.golden import to_float
from models.manifest import MethodName
from service.core.saliency.explanation import explain
from service.core.saliency.parameters import Parameters
from service.core.targets import Question, Target
from training.network import network_of

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """A method's figures (`service.core.saliency.quality`) on N photos.

    Attributes:
        method: its name.
        insertion: [N].
        deletion: [N].
        drop: [N].
        increase: [N], 1 or 0.
        passes: that a map takes, besides the measuring.
    """

    method: MethodName
    insertion: Doubles
    deletion: Doubles
    drop: Doubles
    increase: Doubles
    passes: float

    @property
    def score(self) -> Doubles:
        """Insertion less deletion, [N]: what the figures are ranked by."""
        return self.insertion - self.deletion


def compare(
    bundle: Bundle, crops: npt.NDArray[np.uint8], methods: Sequence[MethodName]
) -> Iterator[Faithfulness]:
    """Measure methods, with their default parameters, on the top classes of some photos.

    Where a map is zero everywhere, nothing is inserted or deleted in any order, and so much
    the method is worth: its score there is 0, its drop 1.

    Args:
        bundle: what is explained.
        crops: uint8 [N, H, W, 3].
        methods: some of those that are possible for the bundle.

    Raises:
        Unsupported: the bundle has not got a graph that is needed.
        RuntimeFailure: the runtime failed, or a map is not finite.
    """
    network, labels = network_of(bundle), bundle.manifest.labels
    tops = network.logits(to_float(crops)).argmax(axis=1).tolist()
    for name in methods:
        rows, passes = [], 0
        for crop, top in zip(crops, tops, strict=True):
            question = Question(Target(top, labels[top]))
            (found,) = explain(network, crop, [question], name, Parameters(), measured=True)
            quality = found.quality
            rows.append(
                (0.0, 0.0, 1.0, 0.0)
                if quality is None
                else (quality.insertion, quality.deletion, quality.drop, float(quality.increase))
            )
            passes += found.passes
        insertion, deletion, drop, increase = np.array(rows).T
        yield Faithfulness(name, insertion, deletion, drop, increase, passes / len(crops))


def ranked(found: Sequence[Faithfulness]) -> list[MethodName]:
    """Methods, the one to choose first.

    Those whose mean score lies within a standard error of the best one's, paired by photo,
    count as equal: of them the one with the fewest passes is first.
    """
    left, order = list(found), []
    while left:
        best = max(left, key=lambda each: each.score.mean())
        equal = [each for each in left if _equal(best.score - each.score)]
        chosen = min(equal, key=lambda each: (each.passes, -each.score.mean()))
        order.append(chosen.method)
        left.remove(chosen)
    return order


def _equal(differences: Doubles) -> bool:
    error = differences.std() / np.sqrt(len(differences))
    return bool(differences.mean() <= error)
