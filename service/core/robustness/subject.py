"""An image whose answer is to be checked, with the model that gave it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.golden import to_float
from models.manifest import Precision, Squeezing
from service.core.network import Floats, Network

Crops = npt.NDArray[np.uint8]
Serve = Callable[[Crops], Floats]
"""From uint8 crops [N, H, W, 3] to the logits [N, K] of `model.onnx`."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One image and the model.

    Attributes:
        network: the fp32 graphs, which are attacked.
        serve: what answers clients; an attack counts if it fools this.
        crop: uint8 [H, W, 3], the image.
        answer: the class that `serve` gives it.
        labels: K names.
        temperature: divides the logits before the softmax.
        seed: of all random choices.
        precision: of `serve`; in fp32 it computes what the network does.
        noise: sigma of the Gaussian noise that the network learned under; 0: none.
        squeezing: what was measured of it; None: nothing.
    """

    network: Network
    serve: Serve
    crop: Crops
    answer: int
    labels: tuple[str, ...]
    temperature: float = 1.0
    seed: int = 0
    precision: Precision = Precision.FP32
    noise: float = 0.0
    squeezing: Squeezing | None = None

    @property
    def image(self) -> Floats:
        """The image as the fp32 graphs take it: float32 [1, 3, H, W] in [0, 1]."""
        return to_float(self.crop[np.newaxis])
