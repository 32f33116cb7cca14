"""How near a float32 gradient is to autograd in float64.

A ReLU or a max pool whose inputs are equal to within rounding may pick either side, in
PyTorch's float32 as in ours, and one such tie can change a whole gradient a little. So
errors are taken for each image, beside those of PyTorch in float32 on the same image. Of
element errors, the medians are compared: a tie here and there moves neither, a fault does.
A cosine is made of ties alone, so there it is asked which of the two is lower more often,
by a paired test.
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
from training.backbones import Backbone, example
from training.instrument import Instrumented

CLASSES = 1000
BATCHES = (1, 2, 3, 1, 2, 3)
"""Sizes to check; 3 is the one that a trace could confuse with the channels."""

Array = npt.NDArray[np.float64]
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Problem:
    """A random batch, with the inputs of the gradient graph."""

    image: torch.Tensor
    cotangent: torch.Tensor
    softmax_weight: torch.Tensor

    @classmethod
    def draw(cls, chosen: Backbone, batch: int, *, seed: int) -> "Problem":
        """A problem of that batch size."""
        generator = torch.Generator().manual_seed(100 + seed)
        return cls(
            image=example(chosen.preprocessing, batch, seed=200 + seed),
            cotangent=torch.randn(batch, CLASSES, generator=generator),
            softmax_weight=torch.rand(batch, generator=generator),
        )

    @property
    def feeds(self) -> dict[str, npt.NDArray[np.float32]]:
        """The gradient graph's inputs."""
        return {name: tensor.numpy() for name, tensor in vars(self).items()}

    def solve(self, network: Instrumented) -> tuple[Array, Array]:
        """Logits and input gradient by autograd, in the network's dtype."""
        dtype = network.mean.dtype
        image = self.image.to(dtype, copy=True).requires_grad_()
        logits = network(image).logits
        softmax = logits.detach().softmax(dim=1)
        seed = self.cotangent.to(dtype) + self.softmax_weight.to(dtype)[:, None] * softmax
        (gradient,) = torch.autograd.grad(logits, image, seed)
        return logits.detach().double().numpy(), gradient.double().numpy()


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

    `logits` is the worst relative L2 error of a batch. The others are medians over images:
    `median_ratio` of our median errors, over that of PyTorch's; `cosine_loss` and
    `torch_cosine_loss` of one less the cosine. `worst_cosine_loss` is our largest, and
    `cosine_p` the p-value of our cosines' being no lower than PyTorch's (Wilcoxon's
    signed-rank test).
    """

    logits: float
    median_ratio: float
    cosine_loss: float
    torch_cosine_loss: float
    worst_cosine_loss: float
    cosine_p: float


def measure(
    problems: list[Problem], network: Instrumented, exact: Instrumented, session: OnnxSession
) -> Accuracy:
    """Solve each problem three ways: on the session, in float32, and exactly."""
    logits, ours, theirs = [], [], []
    for problem in problems:
        outputs = session.run(problem.feeds)
        expected_logits, expected = problem.solve(exact)
        _, by_torch = problem.solve(network)
        logits.append(relative_l2(outputs["logits"].astype(np.float64), expected_logits))
        gradients = outputs["input_gradient"].astype(np.float64)
        ours += list(map(_errors, gradients, expected))
        theirs += list(map(_errors, by_torch, expected))
    return summarize(float(np.max(logits)), ours, theirs)


def summarize(logits: float, ours: list[ImageErrors], theirs: list[ImageErrors]) -> Accuracy:
    """Sum up the errors of our gradients and of PyTorch's on the same images."""
    median, torch_median = (
        float(np.median([image.median for image in images])) for images in (ours, theirs)
    )
    losses, torch_losses = (
        np.array([image.cosine_loss for image in images]) for images in (ours, theirs)
    )
    return Accuracy(
        logits=logits,
        median_ratio=median / torch_median,
        cosine_loss=float(np.median(losses)),
        torch_cosine_loss=float(np.median(torch_losses)),
        worst_cosine_loss=float(losses.max()),
        cosine_p=float(stats.wilcoxon(losses, torch_losses, alternative="greater").pvalue),
    )


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
