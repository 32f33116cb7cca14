"""Whether a method's maps depend on what the network has learned.

Adebayo et al. 2018, "Sanity checks for saliency maps", section 4.1: the weights are made
random from the last layer to the first, and maps should change with them.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from scipy.stats import spearmanr

from models import bundle as bundles
from models.bundle import WEIGHTS, Bundle
from models.golden import to_float
from models.manifest import Graph, MethodName
from service.core.network import Network
from service.core.saliency.explanation import explain
from service.core.saliency.parameters import Parameters
from service.core.targets import Question, Target
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training.network import network_of

STAGES = 6
"""In so many steps all layers become random."""

MOST = 0.5
"""The largest mean rank correlation with the maps of a wholly random network that is passed."""


@dataclass(frozen=True)
class Stage:
    """`randomized` is the share of layers, from the last one, that have random weights.

    `correlation` is the mean of Spearman's rank correlations of the maps with the trained
    network's, by absolute value; a map that is zero everywhere counts 0.
    """

    randomized: float
    correlation: float


def check(
    bundle: Bundle, crops: npt.NDArray[np.uint8], method: MethodName, *, seed: int
) -> list[Stage]:
    """Compare a method's maps as more and more layers become random; see `passes`.

    A layer's weights are shuffled, which keeps their scale. The maps explain the class that
    the trained network answers.

    Args:
        bundle: left as it is; a copy is made random.
        crops: uint8 [N, H, W, 3].
        method: with its default parameters.
        seed: of the shuffling.

    Raises:
        Unsupported: the bundle has not got a graph that is needed.
        RuntimeFailure: the runtime failed, or a map is not finite.
    """
    trained = network_of(bundle)
    questions = _questions(trained, crops, bundle)
    expected = _maps(trained, crops, questions, method)
    layers = _layers(bundle)
    generator = np.random.default_rng(seed)
    stages = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Bundle(Path(folder) / "random", bundle.manifest)
        shutil.copytree(bundle.directory, copy.directory)
        done = 0
        for part in np.array_split(np.arange(len(layers)), STAGES):
            for index in part:
                _shuffle(copy.directory / WEIGHTS, layers[index], generator)
            done += len(part)
            found = _maps(_unchecked(copy), crops, questions, method)
            correlation = np.mean([_alike(*pair) for pair in zip(found, expected, strict=True)])
            stages.append(Stage(done / len(layers), float(correlation)))
    return stages


def passes(stages: Sequence[Stage]) -> bool:
    """Whether a wholly random network's maps are others than the trained one's."""
    return stages[-1].correlation <= MOST


def _questions(network: Network, crops: npt.NDArray[np.uint8], bundle: Bundle) -> list[Question]:
    labels = bundle.manifest.labels
    tops = network.logits(to_float(crops)).argmax(axis=1).tolist()
    return [Question(Target(top, labels[top])) for top in tops]


def _maps(
    network: Network,
    crops: npt.NDArray[np.uint8],
    questions: list[Question],
    method: MethodName,
) -> list[npt.NDArray[np.float32]]:
    return [
        explain(network, crop, [question], method, Parameters())[0].map
        for crop, question in zip(crops, questions, strict=True)
    ]


def _alike(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return abs(float(spearmanr(one.ravel(), other.ravel()).statistic))


def _layers(bundle: Bundle) -> list[tuple[int, int]]:
    """Offset and length in `weights.bin` of each layer's weights, the last layer first."""
    graph = ir.load(bundle.graph(Graph.FLOAT)).graph
    return list(dict.fromkeys(_weights(graph)))[::-1]


def _weights(graph: ir.Graph) -> Iterator[tuple[int, int]]:
    for node in graph:
        for value in node.inputs:
            tensor = None if value is None else value.const_value
            # Biases and scales have one dimension that is not 1.
            if isinstance(tensor, ir.ExternalTensor) and sum(n != 1 for n in tensor.shape) > 1:
                yield tensor.offset or 0, tensor.nbytes


def _shuffle(path: Path, place: tuple[int, int], generator: np.random.Generator) -> None:
    offset, length = place
    weights = np.memmap(path, "<f4", "r+", offset=offset, shape=(length // 4,))
    weights[:] = generator.permutation(weights)
    weights.flush()


def _unchecked(bundle: Bundle) -> Network:
    """A bundle's network, though its outputs are not the golden ones any more."""
    device = choose(Provider.CPU)
    return Network(
        cache(lambda graph: open_session(bundle.graph(graph), device)),
        classes=len(bundle.manifest.labels),
        head=bundles.cam_weights(bundle),
    )
