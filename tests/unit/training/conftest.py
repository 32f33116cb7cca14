"""Backbones with random weights, each exported once a session, and what autograd says of them."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import pytest
import torch

from models.manifest import Graph
from service.runtime.providers import Provider, choose
from service.runtime.session import OnnxSession, open_session
from training import graphs, weights_file
from training.backbones import Backbone, Layout, backbone, example
from training.instrument import Instrumented
from training.randomize import randomize
from training.zoo.accuracy import in_float64

CLASSES = 37
BATCHES = (1, 2, 3, 5)
FEW = {"convnext_tiny": (1, 2), "swin_t": (1, 2), "vit_b_16": (1, 2)}
"""Smaller batches for what computes long; without ReLU, no ties ask for many images."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Random images, as floats that are multiples of 1/255, and what is asked of each."""

    image: torch.Tensor
    cotangent: torch.Tensor
    softmax_weight: torch.Tensor

    def feeds(self, images: slice) -> dict[str, npt.NDArray[np.generic]]:
        """Every input of the float graphs for some of the images."""
        return {name: tensor[images].numpy() for name, tensor in vars(self).items()}

    def pixels(self, images: slice) -> npt.NDArray[np.uint8]:
        """The same images as uint8 [N, H, W, 3]."""
        scaled = (self.image[images] * 255).round().to(torch.uint8)
        return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).numpy())

    def solve(self, network: Instrumented, layout: Layout) -> dict[str, Floats]:
        """Every output of every graph by autograd, in the network's dtype."""
        dtype = network.mean.dtype
        image = self.image.to(dtype, copy=True).requires_grad_()
        outputs = network(image)
        logits, cotangent = outputs.logits, self.cotangent.to(dtype)
        weighted = self.softmax_weight.to(dtype)[:, None] * logits.detach().softmax(dim=1)
        (gradient,) = torch.autograd.grad(
            logits, image, cotangent + weighted, retain_graph=outputs.layer is not None
        )
        found = {
            "logits": logits, "embedding": outputs.embedding, "input_gradient": gradient,
        }  # fmt: skip
        if outputs.layer is not None:
            (at_layer,) = torch.autograd.grad(logits, outputs.layer, cotangent)
            found["activations"] = grid(outputs.layer, layout)
            found["activation_gradients"] = grid(at_layer, layout)
        return {name: tensor.detach().double().numpy() for name, tensor in found.items()}


def grid(layer: torch.Tensor, layout: Layout) -> torch.Tensor:
    """[N, C, h, w] from the layout of the explained layer."""
    if layout is Layout.TOKENS:
        side = round((layer.shape[1] - 1) ** 0.5)
        patches = layer[:, 1:].movedim(-1, 1)
        return patches.reshape(*patches.shape[:2], side, side)
    return layer.movedim(-1, 1) if layout is Layout.NHWC else layer


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
        images = sum(self.batches)
        generator = torch.Generator().manual_seed(11)
        image = example(self.backbone.preprocessing, images, seed=12)
        return Problem(
            image=(image * 255).round() / 255,
            cotangent=torch.randn(images, CLASSES, generator=generator),
            softmax_weight=torch.linspace(0, 1, images),
        )

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
        both = {Graph.GRADIENT: "input_gradient", Graph.CAM: "activation_gradients"}
        return [(graph, key) for graph, key in both.items() if graph in self.sessions]

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
        session, feeds = self.sessions[graph], self.problem.feeds(images)
        if graph is Graph.MODEL:
            feeds["image"] = self.problem.pixels(images)
        outputs = session.run({name: feeds[name] for name in session.inputs})
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
