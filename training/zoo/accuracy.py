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
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import nn

from models.golden import cosine, relative_l2
from service.runtime.session import OnnxSession
from training.backbones import Layout
from training.instrument import Instrumented
from training.zoo.problem import Array, Problem

CLASSES = 1000
BATCHES = (1, 2, 3) * 4
"""Sizes to check; 3 is the one that a trace could confuse with the channels."""

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class ImageErrors:
    """One image's float32 gradient against float64.

    `median` is of the absolute errors of its elements, `cosine_loss` one less the cosine.
    """

    median: float
    cosine_loss: float


@dataclass(frozen=True)
class Accuracy:
    """The errors over all images.

    `logits` is the worst relative L2 error of a batch, in any of the graphs. `spread` is how
    far images' logits are from their mean, relative to the logits (L2): what of them depends
    on the image at all. The others are medians over images:
    `median_ratio` of our median error over PyTorch's, `cosine_loss` and `torch_cosine_loss` of
    one less the cosine. `worst_cosine_loss` is our largest, and
    `cosine_p` the p-value of our cosines' being no lower than PyTorch's (Wilcoxon's
    signed-rank test).
    """

    logits: float
    spread: float
    median_ratio: float
    cosine_loss: float
    torch_cosine_loss: float
    worst_cosine_loss: float
    cosine_p: float


def measure(
    problems: list[Problem],
    networks: tuple[Instrumented, Instrumented],
    layout: Layout,
    model: OnnxSession,
    gradient: OnnxSession,
) -> Accuracy:
    """Solve each problem on the sessions and by autograd, in float32 and in float64.

    Args:
        problems: random batches.
        networks: the network in float32, and its copy in float64.
        layout: of the explained layer.
        model: of `model.onnx`.
        gradient: of `gradient.onnx`.
    """
    errors, logits, ours, theirs = [], [], [], []
    for problem in problems:
        by_torch, exact = (problem.solve(network, layout) for network in networks)
        outputs = gradient.run(problem.feeds)
        served = model.run({"image": problem.pixels})
        errors += [
            relative_l2(found["logits"].astype(np.float64), exact["logits"])
            for found in (outputs, served)
        ]
        logits.append(exact["logits"])
        truth = exact["input_gradient"]
        ours += list(map(_errors, outputs["input_gradient"].astype(np.float64), truth))
        theirs += list(map(_errors, by_torch["input_gradient"], truth))
    return summarize(float(np.max(errors)), np.concatenate(logits), ours, theirs)


def summarize(
    logits_error: float, logits: Array, ours: list[ImageErrors], theirs: list[ImageErrors]
) -> Accuracy:
    """Sum up the logits [N, K], and the errors of our gradients and PyTorch's on N images."""
    losses, torch_losses = (
        np.array([image.cosine_loss for image in images]) for images in (ours, theirs)
    )
    return Accuracy(
        logits=logits_error,
        spread=relative_l2(np.broadcast_to(logits.mean(axis=0), logits.shape), logits),
        median_ratio=median_ratio([e.median for e in ours], [e.median for e in theirs]),
        cosine_loss=float(np.median(losses)),
        torch_cosine_loss=float(np.median(torch_losses)),
        worst_cosine_loss=float(losses.max()),
        cosine_p=float(stats.wilcoxon(losses, torch_losses, alternative="greater").pvalue),
    )


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
