"""A bundle's graphs as functions of images: all that explanations and attacks ask of a model.

Images are float32 [N, 3, H, W] in [0, 1]; cotangents are float32 [N, K]. The gradient taken
is that of `cotangent . logits`. However many images there are, they are run in batches.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.errors import Unsupported
from models.manifest import Graph
from service.core.noise import Noise, on_host
from service.core.ports import Runner

Floats = npt.NDArray[np.float32]


class InputGradient(NamedTuple):
    """`logits` [N, K], and `gradient` [N, 3, H, W] with respect to the images."""

    logits: Floats
    gradient: Floats


class LayerGradient(NamedTuple):
    """`logits` [N, K]; the explained layer's `activations` and their `gradient` [N, C, h, w]."""

    logits: Floats
    activations: Floats
    gradient: Floats


def _go_on() -> None:
    pass


@dataclass(frozen=True)
class Network:
    """A model to be explained or attacked.

    Attributes:
        runner: gives the runner of a graph, a session or the queue before one; raises what
            `ServedModel.runner` does where there is none.
        classes: K.
        head: float32 [K, C], the classifier's weight, where the logits are linear in the
            spatial mean of the explained layer; None elsewhere.
        seen: float32 [C, h, w], the explained layer's activations of the one image that is to
            be explained, where an earlier pass has computed them.
        batch: images run at once.
        noise: where noisy images are drawn.
        proceed: called before every batch; raises where the work has become useless.
    """

    runner: Callable[[Graph], Runner]
    classes: int
    head: Floats | None = None
    seen: Floats | None = None
    batch: int = 16
    noise: Noise = on_host
    proceed: Callable[[], None] = _go_on

    def logits(self, images: Floats) -> Floats:
        """The logits [N, K] of `float.onnx`.

        Raises:
            Unsupported: the bundle has no such graph.
            RuntimeFailure: the runtime failed.
            Unavailable: there is no room or no session for it now.
        """
        return self._run(Graph.FLOAT, {"image": images})["logits"]

    def activations(self, images: Floats) -> Floats:
        """The explained layer's activations [N, C, h, w], of `float.onnx`.

        Raises:
            Unsupported: the bundle has no such graph, or no explained layer.
            RuntimeFailure: the runtime failed.
            Unavailable: there is no room or no session for it now.
        """
        outputs = self._run(Graph.FLOAT, {"image": images})
        if "activations" not in outputs:
            raise Unsupported("the bundle has no explained layer")
        return outputs["activations"]

    def layer(self, image: Floats) -> tuple[Floats, int]:
        """The explained layer's activations [C, h, w] of the image to be explained.

        They are those that were `seen`, else `float.onnx` runs; and how many images it ran.

        Raises:
            Unsupported: the bundle has no such graph, or no explained layer.
            RuntimeFailure: the runtime failed.
            Unavailable: there is no room or no session for it now.
        """
        if self.seen is not None:
            return self.seen, 0
        return self.activations(image[np.newaxis])[0], 1

    def input_gradient(
        self, images: Floats, cotangents: Floats, softmax_weights: Floats | None = None
    ) -> InputGradient:
        """The backward pass to the pixels, of `gradient.onnx`.

        Args:
            images: see above.
            cotangents: see above.
            softmax_weights: [N]; that many times the softmax of the logits is added to each
                cotangent. With minus a one-hot row and 1, the gradient is the cross-entropy's.

        Raises:
            Unsupported: the bundle has no such graph.
            RuntimeFailure: the runtime failed.
            Unavailable: there is no room or no session for it now.
        """
        if softmax_weights is None:
            softmax_weights = np.zeros(len(images), dtype=np.float32)
        feeds = {"image": images, "cotangent": cotangents, "softmax_weight": softmax_weights}
        outputs = self._run(Graph.GRADIENT, feeds)
        return InputGradient(outputs["logits"], outputs["input_gradient"])

    def layer_gradient(self, images: Floats, cotangents: Floats) -> LayerGradient:
        """The backward pass to the explained layer, of `cam.onnx`.

        Raises:
            Unsupported: the bundle has no such graph.
            RuntimeFailure: the runtime failed.
            Unavailable: there is no room or no session for it now.
        """
        outputs = self._run(Graph.CAM, {"image": images, "cotangent": cotangents})
        return LayerGradient(
            outputs["logits"], outputs["activations"], outputs["activation_gradients"]
        )

    def _run(self, graph: Graph, feeds: Mapping[str, Floats]) -> Mapping[str, npt.NDArray[Any]]:
        runner = self.runner(graph)
        rows = len(feeds["image"])
        if rows <= self.batch:
            self.proceed()
            return runner.run(feeds)
        parts = []
        for first in range(0, rows, self.batch):
            self.proceed()
            some = slice(first, first + self.batch)
            parts.append(runner.run({name: feed[some] for name, feed in feeds.items()}))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
