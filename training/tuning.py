"""Whether training the network pays: what it leaves, beside the best probe."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training import features, heads, probe
from training.finetune import Run, finetune
from training.history import History
from training.instrument import Instrumented
from training.learning.batches import Examples
from training.probe import Classifier, Fold, Probe
from training.recipe import Metric, Recipe, Strategy
from training.score import Score, score


@dataclass(frozen=True, eq=False)
class Tuning:
    """What training the network came to.

    `training` is what it learned from; `logits` [N, K] are those of the N validation images,
    which it did not learn from; `probe` is the score on the same images of the best probe,
    fitted on the same others.
    """

    history: History
    training: Examples
    logits: npt.NDArray[np.float64]
    probe: Score

    @property
    def better(self) -> bool:
        """Whether the outcome beats the probe, and by log loss is right at least as often."""
        found, metric = self.history.score, self.history.metric
        no_worse = metric is not Metric.LOG_LOSS or found.accuracy >= self.probe.accuracy
        return not self.idle and found.by(metric) > self.probe.by(metric) and no_worse

    @property
    def idle(self) -> bool:
        """Whether no epoch was better than the state before the first."""
        return self.history.best.number == 0 and self.history.soup is None

    @property
    def outcome(self) -> str:
        """What was found and what is published, in one sentence."""
        if self.idle:
            return "No epoch of training made the network better: the probe is published."
        published = "the trained network" if self.better else "the probe"
        return (
            f"On {len(self.logits)} validation images the trained network has "
            f"{self.history.score}; the probe {self.probe}: {published} is published."
        )


def tune(
    network: Instrumented,
    examples: Examples,
    embedding: npt.NDArray[np.float32],
    probes: Sequence[Probe],
    *,
    split: Fold,
    recipe: Recipe,
    run: Run,
) -> Tuning:
    """Train on one side of a split, and keep the outcome only if it beats the best probe.

    Args:
        network: as the probes saw it; where the outcome is no better, it is so in the end.
        examples: all images to learn from.
        embedding: [N, D], what the network makes of them.
        probes: fitted on them, the best first.
        split: rows to learn from, and rows to validate on.
        recipe: how to train.
        run: see `finetune`.

    Raises:
        TrainingError: as `finetune`.
    """
    inside, outside = split
    untouched = copy.deepcopy(network.module.state_dict())
    if recipe.strategy is not Strategy.SCRATCH:
        # A margin's scale is arbitrary, and cross-entropy would begin with unlearning it.
        logistic = next(each for each in probes if each.classifier is Classifier.LOGISTIC)
        head = probe.refit(logistic, embedding[inside], examples.labels[inside])
        heads.fold(network.module, head)
    training, validation = examples.of(inside), examples.of(outside)
    history = finetune(network, training, validation, recipe, run)
    tuning = Tuning(
        history,
        training,
        features.logits(network, validation.crops).astype(np.float64),
        score(probes[0].held_out[outside], validation.labels),
    )
    if not tuning.better:
        network.module.load_state_dict(untouched)
    return tuning
