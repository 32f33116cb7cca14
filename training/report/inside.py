"""What the report shows of the network itself: its layers, what it looks for and where."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.bundle import Bundle
from models.golden import to_float
from models.manifest import MethodName
from training.instrument import Instrumented
from training.learning.batches import Examples
from training.report import layers
from training.report.explanations import Explanations, explanations
from training.report.layers import LayerTable
from training.report.visualisation import Visualisation, visualise

CLASSES = 8
"""Classes that are visualised: half a minute's work for EfficientNet-Lite0 on one core."""

ANSWERS = 6
"""Right answers that are explained, and wrong ones."""


@dataclass(frozen=True, eq=False)
class Inside:
    """The backbone's name, its layers, the first classes' pictures and some answers explained."""

    backbone: str
    layers: LayerTable
    visualisations: list[Visualisation]
    explanations: Explanations


def look(
    network: Instrumented,
    bundle: Bundle,
    method: MethodName,
    test: Examples,
    logits: npt.NDArray[np.floating],
    *,
    temperature: float,
    seed: int,
    classes: int = CLASSES,
    answers: int = ANSWERS,
) -> Inside:
    """Look into a trained network and its bundle.

    Args:
        network: in evaluation mode.
        bundle: what it was exported to.
        method: how its answers are explained.
        test: N images that it has not learned from.
        logits: [N, K], what the bundle answers on them.
        temperature: the bundle's.
        seed: of every random choice.
        classes: how many are visualised, the first ones.
        answers: how many right ones are explained, and how many wrong ones.

    Raises:
        Unsupported: the bundle has not got a graph that the method needs.
        RuntimeFailure: the runtime failed.
    """
    height, width = test.crops.shape[1:3]
    visualised = range(min(classes, logits.shape[1]))
    return Inside(
        bundle.manifest.provenance.backbone,
        layers.table(network, torch.from_numpy(to_float(test.crops[:1]))),
        visualise(network, visualised, (height, width), temperature=temperature, seed=seed),
        explanations(
            bundle, method, test, logits, temperature=temperature, shown=answers, seed=seed
        ),
    )
