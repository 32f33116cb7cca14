"""The networks of the textbooks' first chapters, from random weights."""

import numpy as np
import numpy.typing as npt

from training import features, weights
from training.backbones import Backbone
from training.finetune import Run, finetune
from training.learning.batches import Examples
from training.learning.processes import Processes
from training.probe import Fold
from training.recipe import Recipe, Strategy
from training.transfer import transferred

NETWORKS = ("mlp", "lenet5")
"""Both take the same crops."""

RECIPE = Recipe(strategy=Strategy.SCRATCH, epochs=40, rate=1e-3, patience=10)


def scratch(
    chosen: Backbone,
    learning: Examples,
    test: npt.NDArray[np.uint8],
    split: Fold,
    *,
    seed: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Train a small network, and have it answer.

    Args:
        chosen: one of `NETWORKS`.
        learning: crops to learn from, and to validate on.
        test: crops that are held out, uint8 [T, H, W, 3].
        split: which of `learning` is which.
        seed: of every random choice.

    Returns:
        logits of the validation images and of those held out: [V, K] and [T, K].
    """
    inside, outside = split
    classes = int(learning.labels.max()) + 1
    network = transferred(chosen, weights.load(chosen, "none"), classes, seed=seed)
    validation = learning.of(outside)
    run = Run(seed, processes=Processes.alone(), say=lambda _: None)
    network.to(run.processes.device)
    finetune(network, learning.of(inside), validation, RECIPE, run)
    return features.logits(network, validation.crops), features.logits(network, test)
