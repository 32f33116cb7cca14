"""How near a float32 gradient is to autograd in float64.

A ReLU or a max pool whose inputs are equal to within rounding may pick either side, in
PyTorch's float32 as in ours, and one such tie can change a whole gradient a little. So
errors are taken for each image, beside those of PyTorch in float32 on the same image. Of
element errors, the medians are compared image by image: a tie that both programs break alike
leaves their ratio at 1, one that they break differently moves few of the ratios, a fault
moves all. A cosine is made of ties alone, so there it is asked which of the two is lower more
often, by a paired test.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import nn

from models.golden import cosine, relative_l2
from models.manifest import Graph
from service.runtime.session import OnnxSession
from training.backbones import Layout
from training.instrument import Instrumented
from training.zoo.problem import Array, Problem

CLASSES = 1000
BATCHES = (1, 2, 3) * 4
"""Sizes to check; 3 is the one that a trace could confuse with the channels."""

ROUNDING = 1e-14
"""One rounding of each element of a float32 array costs its cosine half of (2^-24)^2."""

GRADIENTS = {Graph.GRADIENT: "input_gradient", Graph.CAM: "activation_gradients"}
"""The graphs with a backward pass, each with its gradient's name."""

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class ImageErrors:
    """One image's float32 gradient against float64.

    `median` is of the absolute errors of its elements, `cosine_loss` one less the cosine.
    """

    median: float
    cosine_loss: float


@dataclass(frozen=True)
class GradientAccuracy:
    """The errors of a graph's gradient, the first three as medians over images.

    `median_ratio` is of our median error over PyTorch's, `cosine_loss` and `torch_cosine_loss`
    are of one less the cosine. `worst_cosine_loss` is our largest, and `cosine_p` the p-value
    of our cosines' being no lower than PyTorch's (Wilcoxon's signed-rank test).
    """

    median_ratio: float
    cosine_loss: float
    torch_cosine_loss: float
    worst_cosine_loss: float
    cosine_p: float


@dataclass(frozen=True)
class Accuracy:
    """The errors over all images.

    `logits` is the worst relative L2 error of a batch, in any of the graphs. `spread` is how
    far images' logits are from their mean, relative to the logits (L2): what of them depends
    on the image at all.
    """

    logits: float
    spread: float
    gradients: Mapping[Graph, GradientAccuracy]


def measure(
    problems: list[Problem],
    networks: tuple[Instrumented, Instrumented],
    layout: Layout,
    sessions: Mapping[Graph, OnnxSession],
) -> Accuracy:
    """Solve each problem on the sessions and by autograd, in float32 and in float64.

    Args:
        problems: random batches.
        networks: the network in float32, and its copy in float64.
        layout: of the explained layer.
        sessions: of the graphs to measure, `gradient.onnx` among them.
    """
    measured = {graph: output for graph, output in GRADIENTS.items() if graph in sessions}
    errors, logits = [], []
    ours: dict[Graph, list[ImageErrors]] = {graph: [] for graph in measured}
    theirs: dict[Graph, list[ImageErrors]] = {graph: [] for graph in measured}
    for problem in problems:
        by_torch, exact = (problem.solve(network, layout) for network in networks)
        logits.append(exact["logits"])
        for graph, session in sessions.items():
            outputs = session.run(problem.feeds(graph, session.inputs))
            errors.append(relative_l2(outputs["logits"].astype(np.float64), exact["logits"]))
            if graph in measured:
                name = measured[graph]
                found = outputs[name].astype(np.float64)
                ours[graph] += map(_errors, found, exact[name])
                theirs[graph] += map(_errors, by_torch[name], exact[name])
    return Accuracy(
        logits=float(np.max(errors)),
        spread=spread(np.concatenate(logits)),
        gradients={graph: summarize(ours[graph], theirs[graph]) for graph in measured},
    )


def spread(logits: Array) -> float:
    """How far the logits [N, K] of N images are from their mean, relative to them (L2)."""
    return relative_l2(np.broadcast_to(logits.mean(axis=0), logits.shape), logits)


def summarize(ours: list[ImageErrors], theirs: list[ImageErrors]) -> GradientAccuracy:
    """Sum up the errors of our gradients and of PyTorch's on the same images."""
    losses, torch_losses = (
        np.array([image.cosine_loss for image in images]) for images in (ours, theirs)
    )
    return GradientAccuracy(
        median_ratio=median_ratio([e.median for e in ours], [e.median for e in theirs]),
        cosine_loss=float(np.median(losses)),
        torch_cosine_loss=float(np.median(torch_losses)),
        worst_cosine_loss=float(losses.max()),
        cosine_p=_p_value(losses, torch_losses),
    )


def _p_value(losses: Array, torch_losses: Array) -> float:
    """Of the first being no larger than the second; differences in the last bits are none."""
    differences = losses - torch_losses
    differences[np.abs(differences) < ROUNDING] = 0
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences, alternative="greater").pvalue)


def median_ratio(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """The median over images of our error over PyTorch's on the same image; 0 / 0 is 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.divide(ours, theirs)
    return float(np.median(np.where(np.equal(ours, theirs), 1.0, ratios)))


def in_float64(network: Network) -> Network:
    """A copy in float64, for the judge.

    PyTorch's hard sigmoid multiplies its gradient by 1/6 as a float32, even in float64; it
    is written out here.
    """
    exact = copy.deepcopy(network).double()
    for parent in list(exact.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Hardsigmoid):
                setattr(parent, name, ExactHardSigmoid())
    return exact


class ExactHardSigmoid(nn.Module):
    """clip(x / 6 + 1/2, 0, 1)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Elementwise."""
        return (x / 6 + 0.5).clamp(0, 1)


def _errors(found: Array, truth: Array) -> ImageErrors:
    return ImageErrors(float(np.median(np.abs(found - truth))), 1 - cosine(found, truth))
