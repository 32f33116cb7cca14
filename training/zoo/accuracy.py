"""How near a float32 gradient is to autograd in float64.

A ReLU or a max pool whose inputs are equal to within rounding may pick either side, in
PyTorch's float32 as in ours, and one such tie can change a whole gradient a little. So
errors are taken for each image, beside those of PyTorch in float32 on the same image, and
what remains is judged by a paired test over images: chance passes, a fault does not.
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
BATCHES = (1, 2, 3)
"""Sizes to check; 3 is the one that a trace could confuse with the channels."""

MEDIAN_RATIO = 2.0
"""Most that our median error may be of PyTorch's."""

COSINE_ROUNDING = 1e-6
"""A cosine that is lower by less is the same."""

Array = npt.NDArray[np.float64]
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Problem:
    """A random batch, with the inputs of the gradient graph."""

    image: torch.Tensor
    cotangent: torch.Tensor
    softmax_weight: torch.Tensor

    @classmethod
    def draw(cls, chosen: Backbone, batch: int) -> "Problem":
        """A problem of that batch size, seeded by it."""
        generator = torch.Generator().manual_seed(100 + batch)
        return cls(
            image=example(chosen.preprocessing, batch, seed=200 + batch),
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
    """One image's float32 gradient against float64; of ours, and of PyTorch's."""

    median: float
    torch_median: float
    cosine_loss: float
    torch_cosine_loss: float


@dataclass(frozen=True)
class Accuracy:
    """The errors over all images.

    `logits` is the worst relative L2 error of a batch. `median_ratio` is the geometric mean
    of our median error over PyTorch's, and `median_p` the p-value of its being at most
    `MEDIAN_RATIO`. `cosine_loss` and `torch_cosine_loss` are means of one less the cosine,
    and `cosine_p` the p-value of our cosine's being no lower than PyTorch's.
    """

    logits: float
    median_ratio: float
    median_p: float
    cosine_loss: float
    torch_cosine_loss: float
    cosine_p: float


def measure(
    problems: list[Problem], network: Instrumented, exact: Instrumented, session: OnnxSession
) -> Accuracy:
    """Solve each problem three ways: on the session, in float32, and exactly."""
    logits, images = [], []
    for problem in problems:
        outputs = session.run(problem.feeds)
        expected_logits, expected = problem.solve(exact)
        _, by_torch = problem.solve(network)
        logits.append(relative_l2(outputs["logits"].astype(np.float64), expected_logits))
        gradients = outputs["input_gradient"].astype(np.float64)
        images += [
            _errors(ours, theirs, truth)
            for ours, theirs, truth in zip(gradients, by_torch, expected, strict=True)
        ]
    return summarize(float(np.max(logits)), images)


def summarize(logits: float, images: list[ImageErrors]) -> Accuracy:
    """Judge the errors of several images."""
    ratios = np.log([image.median / image.torch_median for image in images])
    losses = np.array([image.cosine_loss for image in images])
    torch_losses = np.array([image.torch_cosine_loss for image in images])
    return Accuracy(
        logits=logits,
        median_ratio=float(np.exp(ratios.mean())),
        median_p=_p_of_at_most(ratios, np.log(MEDIAN_RATIO)),
        cosine_loss=float(losses.mean()),
        torch_cosine_loss=float(torch_losses.mean()),
        cosine_p=_p_of_at_most(losses - torch_losses, COSINE_ROUNDING),
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


def _errors(ours: Array, theirs: Array, truth: Array) -> ImageErrors:
    return ImageErrors(
        median=float(np.median(np.abs(ours - truth))),
        torch_median=float(np.median(np.abs(theirs - truth))),
        cosine_loss=1 - cosine(ours, truth),
        torch_cosine_loss=1 - cosine(theirs, truth),
    )


def _p_of_at_most(values: npt.NDArray[np.floating], limit: float) -> float:
    """The p-value of a mean that is at most `limit` (one-sided t-test)."""
    return float(stats.ttest_1samp(values, limit, alternative="greater").pvalue)
