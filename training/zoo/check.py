"""Export a backbone with random weights (see `randomize`) and hold it against PyTorch.

The judge is autograd in float64, on fresh random images at several batch sizes: of the
float32 export beside PyTorch's own float32 (see `accuracy`), and of a float64 export, whose
gradient has to be exact.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.golden import relative_l2
from models.manifest import Graph
from service.runtime.providers import Provider, choose
from service.runtime.session import OnnxSession, open_session
from training import float64, graphs, weights_file
from training.backbones import Backbone, backbone, example, parameters
from training.instrument import Instrumented
from training.randomize import randomize
from training.zoo.accuracy import BATCHES, CLASSES, Accuracy, Problem, in_float64, measure

REPEATS = 3

LOGITS = 1e-5
FLOAT64_GRADIENT = 1e-9
MEDIAN_RATIO = 2.0
"""Most that our median error may be of PyTorch's."""
SIGNIFICANCE = 0.001
"""A smaller p-value is no chance, in a table of some tens of networks."""
WORST_COSINE_LOSS = 1e-3
"""More than ties alone can cost."""

Contestant = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """What was found about one backbone; times in milliseconds at batch 1, sizes in MB.

    `gradient64` is the relative L2 error of the gradient of a float64 export.
    """

    name: str
    parameters: int
    megabytes: float
    session_megabytes: float
    accuracy: Accuracy
    gradient64: float
    forward_ms: float
    torch_forward_ms: float
    gradient_ms: float
    torch_gradient_ms: float

    @property
    def faults(self) -> list[str]:
        """The limits that this backbone breaks; not a number breaks any."""
        found = self.accuracy
        checks = {
            f"logits: {found.logits:.1e} > {LOGITS:.0e}": found.logits <= LOGITS,
            f"float64 gradient: {self.gradient64:.1e} > {FLOAT64_GRADIENT:.0e}": (
                self.gradient64 <= FLOAT64_GRADIENT
            ),
            f"median error: {found.median_ratio:.1f} times PyTorch's": (
                found.median_ratio <= MEDIAN_RATIO
            ),
            f"1 - cosine: {found.cosine_loss:.1e}, PyTorch's {found.torch_cosine_loss:.1e}, "
            f"p = {found.cosine_p:.1e}": found.cosine_p >= SIGNIFICANCE,
            f"1 - cosine: {found.worst_cosine_loss:.1e} at worst": (
                found.worst_cosine_loss <= WORST_COSINE_LOSS
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
        problems = [Problem.draw(chosen, batch, seed=i) for i, batch in enumerate(BATCHES)]
        before = resident_megabytes()
        gradient = open_session(directory / Graph.GRADIENT.filename, device)
        gradient.run(problems[0].feeds)
        session_megabytes = resident_megabytes() - before
        accuracy = measure(problems, network, exact, gradient)
        times = _times(problems[0], network, forward, gradient)
        megabytes = sum(file.stat().st_size for file in directory.iterdir()) / 1e6
    return Row(
        name=name,
        parameters=parameters(network.module),
        megabytes=megabytes,
        session_megabytes=session_megabytes,
        accuracy=accuracy,
        gradient64=_float64_error(chosen, network, exact, problems[0]),
        **times,
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
