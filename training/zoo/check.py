"""Export a backbone and hold it against PyTorch.

Weights are random (see `randomize`). The judge is PyTorch's autograd in float64, on fresh
random images at several batch sizes. Ties in ReLU and max pooling make any float32 gradient
jump, so the float32 gradient is judged beside that of PyTorch in float32, and the formulas by
a float64 export whose gradient has to be exact.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from models.golden import cosine, relative_l2
from models.manifest import Graph
from service.runtime.providers import Provider, choose
from service.runtime.session import OnnxSession, open_session
from training import float64, graphs, weights_file
from training.backbones import Backbone, backbone, example, parameters
from training.instrument import Instrumented
from training.randomize import randomize

CLASSES = 1000
BATCHES = (1, 2, 3)
"""Sizes to check; 3 is the one that a trace could confuse with the channels."""

REPEATS = 5

LOGITS = 1e-5
FLOAT64_GRADIENT = 1e-9
MEDIAN_RATIO = 2.0
COSINE_SLACK = 1e-3
"""Ties fall differently in two float32 programs; so much cosine may lie between them."""

Array = npt.NDArray[np.float64]
Contestant = Callable[[], object]
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Row:
    """What was found about one backbone; times in milliseconds at batch 1, sizes in MB.

    `gradient64` is the relative L2 error of the float64 gradient; `median_ratio` our float32
    gradient's median error over that of PyTorch in float32, `cosine_loss` one less our
    cosine, `torch_cosine_loss` one less PyTorch's, all against float64.
    """

    name: str
    parameters: int
    megabytes: float
    session_megabytes: float
    logits: float
    gradient64: float
    median_ratio: float
    cosine_loss: float
    torch_cosine_loss: float
    forward_ms: float
    torch_forward_ms: float
    gradient_ms: float
    torch_gradient_ms: float

    @property
    def faults(self) -> list[str]:
        """The limits that this backbone breaks; not a number breaks any."""
        checks = {
            f"logits: {self.logits:.1e} > {LOGITS:.0e}": self.logits <= LOGITS,
            f"float64 gradient: {self.gradient64:.1e} > {FLOAT64_GRADIENT:.0e}": (
                self.gradient64 <= FLOAT64_GRADIENT
            ),
            f"median error: {self.median_ratio:.1f} times PyTorch's": (
                self.median_ratio <= MEDIAN_RATIO
            ),
            f"1 - cosine: {self.cosine_loss:.1e}, PyTorch's {self.torch_cosine_loss:.1e}": (
                self.cosine_loss <= self.torch_cosine_loss + COSINE_SLACK
            ),
        }
        return [fault for fault, holds in checks.items() if not holds]


def check(name: str) -> Row:
    """Export one backbone with random weights and measure it.

    Raises:
        ExportError: it cannot be exported.
    """
    chosen = backbone(name)
    size = chosen.preprocessing.crop
    torch.manual_seed(0)
    network = Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()
    randomize(network, example(chosen.preprocessing, 4, seed=1))
    network.requires_grad_(requires_grad=False)  # weights are constants here
    exact = in_float64(network)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        weights_file.save(graphs.build(network, chosen.layout, size), directory)
        device = choose(Provider.CPU)
        forward = open_session(directory / Graph.FLOAT.filename, device)
        problems = [Problem.draw(chosen, batch) for batch in BATCHES]
        before = resident_megabytes()
        gradient = open_session(directory / Graph.GRADIENT.filename, device)
        gradient.run(problems[0].feeds)
        session_megabytes = resident_megabytes() - before
        errors = [Errors.measure(problem, network, exact, gradient) for problem in problems]
        times = _times(problems[0], network, forward, gradient)
        megabytes = sum(file.stat().st_size for file in directory.iterdir()) / 1e6
    return Row(
        name=name,
        parameters=parameters(network.module),
        megabytes=megabytes,
        session_megabytes=session_megabytes,
        logits=max(error.logits for error in errors),
        gradient64=_float64_error(chosen, network, exact, problems[0]),
        median_ratio=statistics.median(e.median / e.torch_median for e in errors),
        cosine_loss=statistics.median(error.cosine_loss for error in errors),
        torch_cosine_loss=statistics.median(error.torch_cosine_loss for error in errors),
        **times,
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
class Errors:
    """How far ONNX Runtime and PyTorch in float32 are from PyTorch in float64."""

    logits: float
    median: float
    torch_median: float
    cosine_loss: float
    torch_cosine_loss: float

    @classmethod
    def measure(
        cls, problem: Problem, network: Instrumented, exact: Instrumented, session: OnnxSession
    ) -> "Errors":
        """Solve one problem three ways."""
        outputs = session.run(problem.feeds)
        gradient = outputs["input_gradient"].astype(np.float64)
        logits, expected = problem.solve(exact)
        _, torch_gradient = problem.solve(network)
        return cls(
            logits=relative_l2(outputs["logits"].astype(np.float64), logits),
            median=float(np.median(np.abs(gradient - expected))),
            torch_median=float(np.median(np.abs(torch_gradient - expected))),
            cosine_loss=1 - cosine(gradient, expected),
            torch_cosine_loss=1 - cosine(torch_gradient, expected),
        )


def _float64_error(
    chosen: Backbone, network: Instrumented, exact: Instrumented, problem: Problem
) -> float:
    """Relative L2 of the gradient of a float64 export: of the formulas, not of rounding."""
    doubled = copy.deepcopy(network).double()
    model = graphs.build(doubled, chosen.layout, chosen.preprocessing.crop)[Graph.GRADIENT]
    feeds = {name: array.astype(np.float64) for name, array in problem.feeds.items()}
    gradient = float64.run(model, feeds)["input_gradient"]
    return relative_l2(gradient, problem.solve(exact)[1])


def _times(
    problem: Problem, network: Instrumented, forward: OnnxSession, gradient: OnnxSession
) -> dict[str, float]:
    """Medians in milliseconds; the four take turns, so a slow moment hits all."""
    feeds = problem.feeds

    def torch_forward() -> None:
        with torch.inference_mode():
            network(problem.image)

    contestants: dict[str, Contestant] = {
        "forward_ms": lambda: forward.run({"image": feeds["image"]}),
        "torch_forward_ms": torch_forward,
        "gradient_ms": lambda: gradient.run(feeds),
        "torch_gradient_ms": lambda: problem.solve(network),
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(1 + REPEATS):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def resident_megabytes() -> float:
    """This process's resident memory; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return float(line.split()[1]) / 1e3
