"""A small network in PyTorch, in float64, and its four graphs' outputs by autograd."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn

from models.manifest import Graph
from service.core.network import Floats, Network
from service.core.ports import Arrays, Runner

CLASSES = 5


class Small(nn.Module):
    """Images [N, 3, 24, 20] to logits [N, 5]; `layer`, [N, 6, 12, 10], is what is explained."""

    def __init__(self, *, pooled: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.layer = nn.Sequential(nn.Conv2d(8, 6, 3, stride=2, padding=1), nn.SiLU())
        grid = 1 if pooled else 4
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.head = nn.Linear(6 * grid * grid, CLASSES)
        self.double().eval().requires_grad_(requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.from_layer(self.layer(torch.relu(self.first(3 * images - 1))))

    def from_layer(self, activations: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.pool(activations).flatten(1))
        return 20 * logits


@dataclass
class Autograd:
    """Runs one graph; `rows` is how many images each run had."""

    network: Small
    graph: Graph
    rows: list[int] = field(default_factory=list)

    def run(self, feeds: Arrays, /) -> Arrays:
        self.rows.append(len(feeds["image"]))
        images = torch.from_numpy(feeds["image"]).double().requires_grad_()
        activations = self.network.layer(torch.relu(self.network.first(3 * images - 1)))
        logits = self.network.from_layer(activations)
        found = {"logits": logits, "activations": activations}
        if "cotangent" in feeds:
            score = (logits * torch.from_numpy(feeds["cotangent"])).sum()
            names = ("input_gradient", "activation_gradients")
            found |= dict(
                zip(names, torch.autograd.grad(score, [images, activations]), strict=True)
            )
        return {name: value.detach().numpy().astype(np.float32) for name, value in found.items()}


@dataclass(frozen=True)
class Subject:
    """The network in PyTorch, its graphs' runners, and the same as a `Network`."""

    module: Small
    runners: dict[Graph, Autograd]
    network: Network


def subject_of(*, pooled: bool) -> Subject:
    module = Small(pooled=pooled)
    runners = {graph: Autograd(module, graph) for graph in Graph}

    def runner(graph: Graph) -> Runner:
        return runners[graph]

    head = (20 * module.head.weight).numpy().astype(np.float32) if pooled else None
    return Subject(module, runners, Network(runner, classes=CLASSES, head=head, batch=7))


@pytest.fixture
def subject() -> Subject:
    """A network whose head is not linear in its layer's mean."""
    return subject_of(pooled=False)


@pytest.fixture
def pooled() -> Subject:
    """A network with a head of global average pooling and one linear layer."""
    return subject_of(pooled=True)


@pytest.fixture
def image() -> Floats:
    return np.random.default_rng(1).random((3, 24, 20), dtype=np.float32)


@pytest.fixture
def cotangents() -> Floats:
    """Class 2; and why class 0 and not class 4."""
    return np.array([[0, 0, 1, 0, 0], [1, 0, 0, 0, -1]], dtype=np.float32)
