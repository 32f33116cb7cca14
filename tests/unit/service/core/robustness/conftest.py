"""Networks to attack: a trained one, whose gradients are PyTorch's own, and linear ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from models.manifest import Graph
from service.core.network import Floats, Network
from service.core.ports import Arrays, Runner
from service.core.robustness.norms import Norm


@dataclass(frozen=True, eq=False)
class Autograd:
    """A PyTorch network as a bundle's graphs are: its gradients are autograd's."""

    module: nn.Module

    def run(self, feeds: Arrays, /) -> Arrays:
        image = torch.from_numpy(np.ascontiguousarray(feeds["image"]))
        if "cotangent" not in feeds:
            with torch.inference_mode():
                return {"logits": self.module(image).numpy()}
        image.requires_grad_()
        logits = self.module(image)
        weight = torch.from_numpy(feeds["softmax_weight"])[:, None]
        cotangent = torch.from_numpy(feeds["cotangent"]) + weight * logits.detach().softmax(1)
        (gradient,) = torch.autograd.grad((cotangent * logits).sum(), image)
        return {"logits": logits.detach().numpy(), "input_gradient": gradient.numpy()}


def network_of(module: nn.Module, classes: int) -> Network:
    runner = Autograd(module)

    def graph(_: Graph) -> Runner:
        return runner

    return Network(graph, classes=classes, batch=64)


@dataclass(frozen=True, eq=False)
class Digits:
    """A small convolutional network and 300 handwritten digits that it reads rightly.

    `module` maps float32 [N, 3, 8, 8] in [0, 1] to logits [N, 10].
    """

    module: nn.Module
    images: Floats
    labels: npt.NDArray[np.int64]

    @property
    def network(self) -> Network:
        return network_of(self.module, 10)


@pytest.fixture(scope="session")
def digits() -> Digits:
    pixels, labels = load_digits(return_X_y=True)
    grey = torch.from_numpy(pixels.reshape(-1, 1, 8, 8) / 16).float()
    images, truth = grey.repeat(1, 3, 1, 1), torch.from_numpy(labels).long()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.SiLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.SiLU(),
            nn.Flatten(), nn.Linear(32 * 16, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
        for _ in range(15):
            for rows in torch.randperm(1200).split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(images[rows]), truth[rows]).backward()
                optimizer.step()
    module.eval().requires_grad_(requires_grad=False)
    with torch.inference_mode():
        right = torch.nonzero(module(images[1200:]).argmax(1) == truth[1200:])[:300, 0] + 1200
    return Digits(module, images[right].numpy(), truth[right].numpy())


@pytest.fixture(scope="session")
def assert_within() -> Callable[[Floats, Floats, float, Norm], None]:
    """Holds attacked images to the ball around what they were made of, and to [0, 1]."""

    def hold(attacked: Floats, images: Floats, eps: float, norm: Norm) -> None:
        order = np.inf if norm is Norm.LINF else 2
        change = (attacked - images).reshape(len(images), -1)
        assert np.linalg.norm(change, ord=order, axis=1).max() <= eps + 1e-5
        assert attacked.min() >= 0
        assert attacked.max() <= 1

    return hold


@pytest.fixture(scope="session")
def torchattacks() -> Any:
    """The attacks as their authors' code has them, ported by others."""
    return pytest.importorskip(
        "torchattacks", reason="it wants an old requests: pip install --no-deps torchattacks==3.5.1"
    )


@dataclass(frozen=True, eq=False)
class Linear:
    """logits = weight . pixels + bias: float64 [K, 3, 4, 4] and [K]."""

    weight: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]

    @property
    def network(self) -> Network:
        layer = nn.Linear(48, len(self.bias))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight.reshape(len(self.bias), -1)))
            layer.bias.copy_(torch.from_numpy(self.bias))
        return network_of(nn.Sequential(nn.Flatten(), layer), len(self.bias))

    def logits(self, images: Floats) -> npt.NDArray[np.float64]:
        return np.asarray(np.einsum("nchw,kchw->nk", images, self.weight) + self.bias)

    def boundary(self, images: Floats, order: float) -> npt.NDArray[np.float64]:
        """The distance of each image to the nearest other answer, in the norm of an order."""
        logits = self.logits(images)
        labels = logits.argmax(axis=1)
        dual = {2: 2, np.inf: 1}[order]
        distances = np.full(logits.shape, np.inf)
        for row, label in enumerate(labels):
            for other in set(range(len(self.bias))) - {int(label)}:
                slope = (self.weight[other] - self.weight[label]).ravel()
                gap = logits[row, label] - logits[row, other]
                distances[row, other] = gap / np.linalg.norm(slope, ord=dual)
        return np.asarray(distances.min(axis=1))


@pytest.fixture(scope="session")
def linear() -> Callable[[int], Linear]:
    """A linear model of so many classes, whose boundaries lie near grey images."""

    def make(classes: int) -> Linear:
        weight = np.random.default_rng(classes).normal(size=(classes, 3, 4, 4))
        return Linear(weight, -0.5 * weight.sum(axis=(1, 2, 3)))

    return make


@pytest.fixture(scope="session")
def greyish() -> Floats:
    """Images [40, 3, 4, 4] so far from black and white that no small step is clipped."""
    drawn = np.random.default_rng(0).uniform(0.4, 0.6, (40, 3, 4, 4))
    return drawn.astype(np.float32)
