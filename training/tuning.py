"""Whether training the network pays: what it leaves, beside the best probe."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training import features, heads, probe
from training.finetune import Run, finetune
from training.history import History
from training.instrument import Instrumented
from training.learning.batches import Examples
from training.paired import mean_interval
from training.partition import Partition
from training.probe import Classifier, Probe
from training.recipe import Metric, Recipe, Strategy
from training.score import Score, score, shares


@dataclass(frozen=True, eq=False)
class Tuning:
    """What training the network came to.

    `training` is what it learned from, of `partition`; `probe` is the score on the same
    validation images of the best probe, fitted on the same others. `gain` is the 95% interval of
    what the network is better by, paired by image, in the unit of the metric.
    """

    history: History
    training: Examples
    partition: Partition
    probe: Score
    gain: tuple[float, float]

    @property
    def better(self) -> bool:
        """Whether the outcome beats the probe beyond doubt, and is right at least as often.

        A few validation images that happen to suit it are no reason to serve a network that has
        learned from fewer images than the probe.
        """
        no_worse = self.history.score.accuracy >= self.probe.accuracy
        by_balance = self.history.metric is Metric.BALANCED_ACCURACY
        return not self.idle and self.gain[0] > 0 and (no_worse or by_balance)

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
        low, high = self.gain
        return (
            f"On {len(self.partition.validation)} validation images the trained network has "
            f"{self.history.score}; the probe {self.probe}. By {self.history.metric} it is better "
            f"by {low:.3f} to {high:.3f} (95% interval): {published} is published."
        )


def tune(
    network: Instrumented,
    examples: Examples,
    embedding: npt.NDArray[np.float32],
    probes: Sequence[Probe],
    *,
    partition: Partition,
    recipe: Recipe,
    run: Run,
) -> Tuning:
    """Train on a part of the images, and keep the outcome only if it beats the best probe.

    Args:
        network: as the probes saw it; where the outcome is no better, it is so in the end.
        examples: all images to learn from.
        embedding: [N, D], what the network makes of them.
        probes: fitted on them, the best first.
        partition: which images are learned from, and which validate.
        recipe: how to train.
        run: see `finetune`.

    Raises:
        TrainingError: as `finetune`.
    """
    training, validation = examples.of(partition.training), examples.of(partition.validation)
    fitted = {
        each.classifier: probe.refit(each, embedding[partition.training], training.labels)
        for each in probes
    }
    untouched = copy.deepcopy(network.module.state_dict())
    if recipe.strategy is not Strategy.SCRATCH:
        # A margin's scale is arbitrary, and cross-entropy would begin with unlearning it.
        heads.fold(network.module, fitted[Classifier.LOGISTIC])
    history = finetune(network, training, validation, recipe, run)
    answers = fitted[probes[0].classifier].logits(embedding[partition.validation])
    tuning = Tuning(
        history, training, partition, score(answers, validation.labels),
        _gain(network, validation, answers, recipe.metric),
    )  # fmt: skip
    if not tuning.better:
        network.module.load_state_dict(untouched)
    return tuning


def _gain(
    network: Instrumented,
    validation: Examples,
    answers: npt.NDArray[np.floating],
    metric: Metric,
) -> tuple[float, float]:
    """By how much a network is better than the probe with these answers."""
    found = features.logits(network, validation.crops)
    if not np.isfinite(found).all():
        return -math.inf, -math.inf
    labels = validation.labels
    return mean_interval(shares(found, labels, metric) - shares(answers, labels, metric))
