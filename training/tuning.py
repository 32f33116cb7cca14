"""Whether training the network pays: what it leaves, beside the best probe."""

import copy
from collections.abc import Mapping, Sequence
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
    validation images of the best probe, fitted on the same others. `gains` are the 95% intervals
    of what the network is better by, paired by image, in the run's metric and in accuracy.
    """

    history: History
    training: Examples
    partition: Partition
    probe: Score
    gains: Mapping[Metric, tuple[float, float]]

    @property
    def better(self) -> bool:
        """Whether the outcome beats the probe, beyond doubt by the metric or by accuracy.

        A few validation images that happen to suit it are no reason to serve a network that has
        learned from fewer images than the probe. By log loss it has to be right as often, too.
        """
        found, metric = self.history.score, self.history.metric
        beyond_doubt = any(low > 0 for low, _ in self.gains.values())
        no_worse = metric is not Metric.LOG_LOSS or found.accuracy >= self.probe.accuracy
        beaten = found.by(metric) > self.probe.by(metric)
        return not self.idle and beaten and no_worse and beyond_doubt

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
        gains = " and ".join(
            f"by {metric} {low:.3f} to {high:.3f}" for metric, (low, high) in self.gains.items()
        )
        return (
            f"On {len(self.partition.validation)} validation images the trained network has "
            f"{self.history.score}; the probe {self.probe}. It is better {gains} "
            f"(95% intervals): {published} is published."
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
        _gains(network, validation, answers, recipe.metric),
    )  # fmt: skip
    if not tuning.better:
        network.module.load_state_dict(untouched)
    return tuning


def _gains(
    network: Instrumented,
    validation: Examples,
    answers: npt.NDArray[np.floating],
    metric: Metric,
) -> dict[Metric, tuple[float, float]]:
    """By how much a network is better than the probe with these answers."""
    found, labels = features.logits(network, validation.crops), validation.labels
    if not np.isfinite(found).all():
        return {}
    return {
        each: mean_interval(shares(found, labels, each) - shares(answers, labels, each))
        for each in (metric, Metric.ACCURACY)
    }
