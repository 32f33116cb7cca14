"""A network that has learned one thing, about to learn another."""

import torch

from training import heads
from training import weights as weights_source
from training.backbones import Backbone
from training.instrument import Instrumented
from training.weights import Weights


def transferred(chosen: Backbone, weights: Weights, classes: int, *, seed: int) -> Instrumented:
    """The backbone with its weights, and a fresh head for other classes.

    Args:
        chosen: the backbone.
        weights: what it has learned, or its own random weights.
        classes: how many there are to learn.
        seed: of whatever is random.

    Raises:
        WeightsError: the weights do not fit the backbone.
    """
    torch.manual_seed(seed)
    known = weights_source.classes(chosen, weights)
    module = chosen.build(classes if known is None else known)
    weights_source.apply(module, weights)
    heads.attach(module, classes)
    return Instrumented(module, chosen, chosen.preprocessing).eval()
