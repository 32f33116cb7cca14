"""One image explained: from its crop and the classes in question to its maps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.errors import RuntimeFailure
from models.golden import to_float
from models.manifest import MethodName
from service.core.network import Floats, Network
from service.core.saliency.methods import METHODS, check
from service.core.saliency.parameters import Parameters
from service.core.saliency.quality import Quality, measure
from service.core.targets import Question


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where in the crop the evidence for a class lies.

    Attributes:
        method: its name.
        question: the class, and perhaps the one it is held against.
        map: float32 [H, W] over the crop, in the method's own units; negative only where
            `signed`.
        extremes: the map's least and its largest value.
        signed: whether the map keeps what speaks against the class.
        passes: images that went through a graph, for all questions together.
        gap: the relative completeness gap of integrated gradients; None for other methods.
        quality: how faithful the map is; None where that was not measured or it is all zero.
        coarse: [h, w], not negative, of which the map is the enlargement; None where it is none.
    """

    method: MethodName
    question: Question
    map: Floats
    extremes: tuple[float, float]
    signed: bool
    passes: int
    gap: float | None
    quality: Quality | None = None
    coarse: npt.NDArray[np.floating] | None = None

    @property
    def empty(self) -> bool:
        """Whether the map is zero everywhere."""
        return not any(self.extremes)


def explain(
    network: Network,
    crop: npt.NDArray[np.uint8],
    questions: Sequence[Question],
    name: MethodName,
    parameters: Parameters,
    *,
    measured: bool = False,
) -> list[Explanation]:
    """Explain one crop, for each question in order.

    Args:
        network: the model.
        crop: uint8 [H, W, 3], RGB.
        questions: one or more; methods share their passes among them where they can.
        name: the method.
        parameters: those that the method takes; the others have not been set.
        measured: whether to measure the maps' quality too.

    Raises:
        InvalidRequest: a parameter is not the method's, or does not fit the crop.
        Unsupported: the bundle has not got what the method needs.
        RuntimeFailure: the runtime failed, or a map is not finite.
        Unavailable: there is no room or no session for it now.
    """
    check(name, parameters)
    method = METHODS[name]
    chosen = {parameter: getattr(parameters, parameter) for parameter in method.parameters}
    cotangents = np.stack([question.cotangent(network.classes) for question in questions])
    if measured or method.looks(network):
        image = to_float(crop[np.newaxis])[0]
    else:
        # To make floats of a crop takes longer than to weigh a layer that has been seen. Where
        # a method looks after all, its map is not finite.
        image = np.broadcast_to(np.float32(np.nan), (3, *crop.shape[:2]))
    found = method.maps(network, image, cotangents, **chosen)
    # What is not finite is the least or the largest, and NaN is both.
    extremes = [(float(values.min()), float(values.max())) for values in found.values]
    if not np.isfinite(extremes).all():
        raise RuntimeFailure(f"a map of {name} is not finite")
    explanations = [
        Explanation(
            name,
            question,
            found.values[row],
            extremes[row],
            chosen.get("signed", False),
            found.passes,
            gap=None if found.gaps is None else float(found.gaps[row]),
            coarse=None if found.coarse is None else found.coarse[row],
        )
        for row, question in enumerate(questions)
    ]
    if not measured:
        return explanations
    return [
        each
        if each.empty
        else replace(each, quality=measure(network, image, each.map, each.question))
        for each in explanations
    ]
