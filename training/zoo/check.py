"""Export a backbone with random weights (see `randomize`) and hold it against PyTorch.

The judge is autograd in float64, on fresh random images at several batch sizes: of the
float32 export beside PyTorch's own float32 (see `accuracy`), and of a float64 export, whose
gradient has to be exact.
"""

import copy
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.golden import relative_l2
from models.manifest import Graph
from service.runtime.providers import Provider, choose
from service.runtime.session import OnnxSession, open_session
from training import float64, graphs, weights_file
from training.backbones import Backbone, backbone, parameters
from training.examples import example
from training.instrument import Instrumented
from training.randomize import randomize
from training.zoo.accuracy import (
    BATCHES,
    CLASSES,
    GRADIENTS,
    Accuracy,
    GradientAccuracy,
    in_float64,
    measure,
)
from training.zoo.problem import Problem

REPEATS = 7

LOGITS = 1e-5
FLOAT64_GRADIENT = 1e-9
MEDIAN_RATIO = 2.0
"""Most that our median error may be of PyTorch's."""
SIGNIFICANCE = 0.001
"""A smaller p-value is no chance, in a table of some tens of networks."""
WORST_COSINE_LOSS = 1e-2
"""Eight times what ties alone cost in benchmarks/results/gradient_cosine.md, 1050 images."""

FLOAT64_BATCHES = (1, 3)
"""The tests take 2; the largest networks' batches of 3 fill 12 GB."""

Contestant = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """What was found about one backbone; times in milliseconds at batch 1, sizes in MB.

    `session_megabytes` is what the session of each graph takes of memory, `gradient64` the
    largest relative L2 error of the gradients of a float64 export.
    """

    name: str
    parameters: int
    megabytes: float
    session_megabytes: Mapping[Graph, float]
    accuracy: Accuracy
    gradient64: float
    forward_ms: float
    torch_forward_ms: float
    gradient_ms: float
    torch_gradient_ms: float

    @property
    def faults(self) -> list[str]:
        """The limits that this backbone breaks; not a number breaks any."""
        logits, exact = self.accuracy.logits, self.gradient64
        checks = {
            f"logits: {logits:.1e} > {LOGITS:.0e}": logits <= LOGITS,
            f"float64 gradient: {exact:.1e} > {FLOAT64_GRADIENT:.0e}": exact <= FLOAT64_GRADIENT,
        }
        for graph, found in self.accuracy.gradients.items():
            checks |= _gradient_checks(graph, found)
        return [fault for fault, holds in checks.items() if not holds]


def _gradient_checks(graph: Graph, found: GradientAccuracy) -> dict[str, bool]:
    return {
        f"{graph}, median error: {found.median_ratio:.1f} times PyTorch's": (
            found.median_ratio <= MEDIAN_RATIO
        ),
        f"{graph}, 1 - cosine: {found.cosine_loss:.1e}, PyTorch's {found.torch_cosine_loss:.1e}, "
        f"p = {found.cosine_p:.1e}": found.cosine_p >= SIGNIFICANCE,
        f"{graph}, 1 - cosine: {found.worst_cosine_loss:.1e} at worst": (
            found.worst_cosine_loss <= WORST_COSINE_LOSS
        ),
    }


def check(name: str) -> Row:
    """Export one backbone with random weights and measure it.

    Raises:
        ExportError: it cannot be exported.
    """
    chosen = backbone(name)
    network = random_network(chosen)
    exact = in_float64(network)
    problems = [
        Problem.draw(chosen, batch, classes=CLASSES, seed=100 + number)
        for number, batch in enumerate(BATCHES)
    ]
    # First what measures memory: later it would lie in what float64 has given back.
    as_served = _float32(chosen, network, exact, problems)
    return Row(
        name=name,
        parameters=parameters(network.module),
        gradient64=_float64_error(chosen, network, exact, problems),
        **as_served,
    )


def _float32(
    chosen: Backbone, network: Instrumented, exact: Instrumented, problems: list[Problem]
) -> dict[str, Any]:
    """What a row says of the graphs as they serve."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        models = graphs.build(network, chosen.layout, chosen.preprocessing.crop)
        weights_file.save(models, directory)
        sessions, memory = _open(directory, models, problems[0])
        return {
            "megabytes": sum(file.stat().st_size for file in directory.iterdir()) / 1e6,
            "session_megabytes": memory,
            "accuracy": measure(problems, (network, exact), chosen.layout, sessions),
            **_times(problems[0], network, sessions),
        }


def random_network(chosen: Backbone) -> Instrumented:
    """The backbone with seeded random weights (see `randomize`), which are constants."""
    torch.manual_seed(0)
    network = Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()
    randomize(network, example(chosen.preprocessing, 4, seed=1))
    return network.requires_grad_(requires_grad=False)


def _open(
    directory: Path, names: Iterable[Graph], problem: Problem
) -> tuple[dict[Graph, OnnxSession], dict[Graph, float]]:
    """A session of each graph, on the CPU, that has run once; the memory that each took, in MB."""
    sessions, memory = {}, {}
    for graph in names:
        before = resident_megabytes()
        session = open_session(directory / graph.filename, choose(Provider.CPU))
        session.run(problem.feeds(graph, session.inputs))
        sessions[graph] = session
        memory[graph] = resident_megabytes() - before
    return sessions, memory


def _float64_error(
    chosen: Backbone, network: Instrumented, exact: Instrumented, problems: list[Problem]
) -> float:
    """Relative L2 of the gradients of a float64 export: of the formulas, not of rounding."""
    doubled = copy.deepcopy(network).double()
    models = graphs.build(doubled, chosen.layout, chosen.preprocessing.crop)
    errors = []
    for batch in FLOAT64_BATCHES:
        problem = problems[BATCHES.index(batch)]
        truth = problem.solve(exact, chosen.layout)
        for graph in GRADIENTS.keys() & models.keys():
            inputs = [value.name or "" for value in models[graph].graph.inputs]
            feeds = {k: v.astype(np.float64) for k, v in problem.feeds(graph, inputs).items()}
            found = float64.run(models[graph], feeds)[GRADIENTS[graph]]
            errors.append(relative_l2(found, truth[GRADIENTS[graph]]))
    return float(np.max(errors))


def _times(
    problem: Problem, network: Instrumented, sessions: Mapping[Graph, OnnxSession]
) -> dict[str, float]:
    """The least of several times, in milliseconds: other programs only add to them."""

    def torch_forward() -> None:
        with torch.inference_mode():
            network(problem.image)

    def torch_gradient() -> None:
        image = problem.image.clone().requires_grad_()
        torch.autograd.grad(network(image).logits, image, problem.cotangent)

    def served(graph: Graph) -> Contestant:
        session = sessions[graph]
        return partial(session.run, problem.feeds(graph, session.inputs))

    contestants = {
        "forward_ms": served(Graph.MODEL),
        "torch_forward_ms": torch_forward,
        "gradient_ms": served(Graph.GRADIENT),
        "torch_gradient_ms": torch_gradient,
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(1 + REPEATS):  # in turns, so that a slow moment hits all
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: min(times[1:]) for name, times in taken.items()}


def resident_megabytes() -> float:
    """This process's resident memory; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return float(line.split()[1]) / 1e3
