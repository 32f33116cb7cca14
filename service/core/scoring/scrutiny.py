"""A closer look at single images: where the evidence lies, and how easily the answer changes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import Unsupported
from models.manifest import Graph, Manifest, MethodName
from models.preprocess import Crop
from service.core import targets
from service.core.localization import object_box, to_photo
from service.core.network import Network
from service.core.robustness.check import Check
from service.core.robustness.levels import LEVELS, Level
from service.core.robustness.notation import parse
from service.core.saliency.explanation import explain
from service.core.saliency.methods import METHODS, possible
from service.core.saliency.parameters import Parameters
from service.core.targets import Question


@dataclass(frozen=True)
class Scrutiny:
    """What is looked into.

    Attributes:
        method: by which boxes are found; None for no boxes.
        checks: by their text, whose verdict is given; none for no verdict.
    """

    method: MethodName | None
    checks: Mapping[str, Check]

    @property
    def graphs(self) -> set[Graph]:
        """What has to be open, beside `model.onnx`."""
        explaining = set() if self.method is None else {METHODS[self.method].graph}
        return explaining | ({Graph.FLOAT, Graph.GRADIENT} if self.checks else set())


def scrutiny(manifest: Manifest, *, box: bool, robustness: Level | None) -> Scrutiny:
    """Settle what is looked into, before any work.

    Args:
        manifest: of the bundle.
        box: whether boxes are wanted; they are those of its default method.
        robustness: a level of `levels.LEVELS`; None for no verdict.

    Raises:
        Unsupported: the bundle has not got what it takes.
    """
    method = manifest.default_explanation if box else None
    if box and method not in possible(manifest):
        raise Unsupported(f"{manifest.name} cannot be explained by default: it has no boxes")
    found = Scrutiny(method, {} if robustness is None else parse(LEVELS[robustness]))
    if missing := found.graphs - manifest.graphs.keys():
        listed = ", ".join(sorted(graph.filename for graph in missing))
        raise Unsupported(f"{manifest.name} has no {listed}")
    return found


def box(
    network: Network,
    crop: Crop,
    logits: npt.NDArray[np.floating],
    labels: tuple[str, ...],
    method: MethodName,
) -> list[float] | None:
    """Where the evidence for the most probable class lies.

    Args:
        network: the model.
        crop: the image.
        logits: [K], of the image.
        labels: K names.
        method: of the saliency, with its default parameters.

    Returns:
        [left, top, right, bottom] in the photo's pixels; None where the map is zero everywhere.

    Raises:
        RuntimeFailure: the runtime failed, or a map is not finite.
    """
    question = Question(targets.resolve(None, labels, logits))
    (found,) = explain(network, crop.pixels, [question], method, Parameters())
    evidence = object_box(found.map, found.coarse)
    if evidence is None:
        return None
    return [round(edge, 2) for edge in to_photo(evidence, found.map.shape, crop.box)]
