"""Which pixels a class score depends on.

A method is a pure function over a `Runner`, so it works on a session in this process, on
a queue that batches for a session, or on a fake in a test. Images are float32
[N, 3, H, W] in [0, 1]; cotangents are float32 [N, K], one-hot rows for the classes that
are explained; maps are float32 [N, H, W].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import RuntimeFailure
from models.golden import to_float
from models.manifest import Graph
from service.core.ports import Runner
from service.core.targets import Target

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Method:
    """A saliency method: the graph it runs, the function, and its runs of the graph per map."""

    graph: Graph
    maps: Callable[[Runner, Floats, Floats], Floats]
    passes: int


@dataclass(frozen=True)
class Explanation:
    """Where in the crop the evidence for a class lies.

    `map` is float32 [H, W] over the crop, not negative, in the method's own units.
    """

    method: str
    target: Target
    map: Floats
    passes: int


def gradient(runner: Runner, images: Floats, cotangents: Floats) -> Floats:
    """The largest absolute gradient of the class score over the colour channels.

    Simonyan et al. 2013, "Deep inside convolutional networks", section 3. `runner` runs
    `gradient.onnx`.

    Raises:
        RuntimeFailure: the runtime failed.
        Unavailable: the runner has no room now.
    """
    outputs = runner.run(
        {
            "image": images,
            "cotangent": cotangents,
            "softmax_weight": np.zeros(len(images), dtype=np.float32),
        }
    )
    return np.asarray(np.abs(outputs["input_gradient"]).max(axis=1), dtype=np.float32)


def gradcam(runner: Runner, images: Floats, cotangents: Floats) -> Floats:
    """Activations of the explained layer, weighed by their mean gradients, rectified.

    Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2; enlarged bilinearly to the
    images' size. `runner` runs `cam.onnx`.

    Raises:
        RuntimeFailure: the runtime failed.
        Unavailable: the runner has no room now.
    """
    outputs = runner.run({"image": images, "cotangent": cotangents})
    weights = outputs["activation_gradients"].mean(axis=(2, 3))
    coarse = np.einsum("nc,nchw->nhw", weights, outputs["activations"])
    return enlarge(np.maximum(coarse, 0), images.shape[2:])


METHODS = {
    "gradient": Method(Graph.GRADIENT, gradient, passes=1),
    "gradcam": Method(Graph.CAM, gradcam, passes=1),
}


def explain(
    name: str, runner: Runner, crop: npt.NDArray[np.uint8], target: Target, classes: int
) -> Explanation:
    """Explain one class of one crop.

    Args:
        name: of one of `METHODS`.
        runner: runs that method's graph.
        crop: uint8 [H, W, 3], RGB.
        target: the class.
        classes: how many the model has.

    Raises:
        RuntimeFailure: the runtime failed, or the map is not finite.
        Unavailable: the runner has no room now.
    """
    method = METHODS[name]
    cotangent = np.zeros((1, classes), dtype=np.float32)
    cotangent[0, target.index] = 1
    found = method.maps(runner, to_float(crop[np.newaxis]), cotangent)[0]
    if not np.isfinite(found).all():
        raise RuntimeFailure(f"the {name} map of class {target.index} is not finite")
    return Explanation(name, target, found, method.passes)


def enlarge(maps: npt.NDArray[np.floating], size: tuple[int, ...]) -> Floats:
    """Resize maps [N, h, w] bilinearly to [N, H, W], samples lying at pixel centres."""
    height, width = size
    down = _interpolation(maps.shape[1], height)
    across = _interpolation(maps.shape[2], width)
    return np.asarray(down @ maps @ across.T, dtype=np.float32)


def _interpolation(old: int, new: int) -> npt.NDArray[np.float64]:
    """The matrix [new, old] that interpolates linearly between pixel centres."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    distances = np.abs(centres[:, np.newaxis] - np.arange(old))
    return np.maximum(0.0, 1.0 - distances)
