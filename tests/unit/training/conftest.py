"""Backbones with random weights, each exported once a session; handwritten digits as photos."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from models.manifest import Graph
from service.runtime.providers import Provider, choose
from service.runtime.session import OnnxSession, open_session
from training import graphs, weights_file
from training.backbones import Backbone, backbone
from training.examples import example
from training.instrument import Instrumented
from training.learning.batches import Examples
from training.randomize import randomize
from training.zoo.accuracy import GRADIENTS, in_float64
from training.zoo.problem import Problem

CLASSES = 37
BATCHES = (1, 2, 3, 5)
FEW = {"convnext_tiny": (1, 2), "swin_t": (1, 2), "vit_b_16": (1, 2)}
"""Smaller batches for what computes long; without ReLU, no ties ask for many images."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Exported:
    """A backbone's graphs in a folder, beside the network that they came from."""

    backbone: Backbone
    network: Instrumented
    directory: Path

    @property
    def batches(self) -> tuple[int, ...]:
        """Batch sizes; together they take every image once."""
        return FEW.get(self.backbone.name, BATCHES)

    @cached_property
    def problem(self) -> Problem:
        return Problem.draw(self.backbone, sum(self.batches), classes=CLASSES, seed=11)

    @cached_property
    def exact(self) -> dict[str, Floats]:
        """Autograd in float64."""
        return self.problem.solve(in_float64(self.network), self.backbone.layout)

    @cached_property
    def torch32(self) -> dict[str, Floats]:
        """Autograd in float32."""
        return self.problem.solve(self.network, self.backbone.layout)

    @cached_property
    def float64_graphs(self) -> Mapping[Graph, ir.Model]:
        """The graphs exported in double precision."""
        doubled = copy.deepcopy(self.network).double()
        return graphs.build(doubled, self.backbone.layout, self.backbone.preprocessing.crop)

    @cached_property
    def sessions(self) -> dict[Graph, OnnxSession]:
        device = choose(Provider.CPU)
        return {
            graph: open_session(self.directory / graph.filename, device)
            for graph in Graph
            if (self.directory / graph.filename).exists()
        }

    @property
    def gradients(self) -> list[tuple[Graph, str]]:
        """The graphs with a backward pass, each with its gradient's name."""
        return [(graph, key) for graph, key in GRADIENTS.items() if graph in self.sessions]

    @cache  # noqa: B019 - it lives as long as the session
    def run(self, graph: Graph) -> dict[str, Floats]:
        """A float32 graph on all images, in batches of every size."""
        ends = np.cumsum(self.batches).tolist()
        parts = [
            self._run(graph, slice(end - batch, end))
            for end, batch in zip(ends, self.batches, strict=True)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, graph: Graph, images: slice) -> dict[str, Floats]:
        session, problem = self.sessions[graph], self.problem.of(images)
        outputs = session.run(problem.feeds(graph, session.inputs))
        return {name: output.astype(np.float64) for name, output in outputs.items()}


Export = Callable[[str], Exported]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Builds a backbone with random weights and exports it, once for each name."""

    @cache
    def export(name: str) -> Exported:
        chosen = backbone(name)
        torch.manual_seed(0)
        network = Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()
        randomize(network, example(chosen.preprocessing, 4, seed=1))
        directory = tmp_path_factory.mktemp(name)
        models = graphs.build(network, chosen.layout, chosen.preprocessing.crop)
        weights_file.save(models, directory)
        return Exported(chosen, network, directory)

    return export


@pytest.fixture(scope="session")
def enlarged_digits() -> Examples:
    """scikit-learn's 1797 handwritten digits, 32 pixels wide."""
    pixels, labels = load_digits(return_X_y=True)
    grey = np.kron(pixels.reshape(-1, 8, 8) * 15, np.ones((4, 4))).astype(np.uint8)
    return Examples(np.repeat(grey[..., None], 3, axis=3), labels.astype(np.int64))


WritePhotos = Callable[[Path, Sequence[str], int], Path]


@pytest.fixture(scope="session")
def write_photos() -> WritePhotos:
    """Writes so many handwritten digits as photos, named each; every fourth is set apart."""

    def photos(root: Path, names: Sequence[str], images: int) -> Path:
        digits, labels = load_digits(n_class=len(names), return_X_y=True)
        for number, (pixels, label) in enumerate(zip(digits[:images], labels, strict=False)):
            split = "val" if number % 4 == 0 else "train"
            path = root / split / names[label] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = Image.fromarray((pixels.reshape(8, 8) * 15).astype(np.uint8))
            grey.resize((32, 32), Image.Resampling.BICUBIC).save(path)
        return root

    return photos


@pytest.fixture(scope="session")
def parity(tmp_path_factory: pytest.TempPathFactory, write_photos: WritePhotos) -> Path:
    """Photos of odd digits and even ones, which no line parts."""
    return write_photos(tmp_path_factory.mktemp("data") / "parity", ["even", "odd"] * 5, 600)
