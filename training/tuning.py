"""Whether fine-tuning pays: the network that it leaves, beside its own probe."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training import features, heads, probe
from training.calibrate import calibrated_loss
from training.finetune import Epoch, Examples, Recipe, Say, best, finetune
from training.instrument import Instrumented
from training.probe import Classifier, Fold, Probe


@dataclass(frozen=True, eq=False)
class Tuning:
    """What fine-tuning came to.

    `logits` [N, K] are those of the N validation images, which it did not learn from. On the
    same images, `probe_accuracy` and `probe_loss` are those of the best probe, fitted on the
    same others.
    """

    epochs: list[Epoch]
    logits: npt.NDArray[np.float64]
    probe_accuracy: float
    probe_loss: float

    @property
    def best(self) -> Epoch:
        """The epoch that was kept."""
        return best(self.epochs)

    @property
    def better(self) -> bool:
        """Whether an epoch beats the probe in log loss, and is right at least as often."""
        return (
            self.best.number > 0
            and self.best.loss < self.probe_loss
            and self.best.accuracy >= self.probe_accuracy
        )

    @property
    def outcome(self) -> str:
        """What was found and what is published, in one sentence."""
        if self.best.number == 0:
            return "No epoch of fine-tuning made the probe better: the probe is published."
        published = "the fine-tuned network" if self.better else "the probe"
        return (
            f"Of {len(self.logits)} validation images the fine-tuned network has "
            f"{self.best.accuracy:.1%} right (log loss {self.best.loss:.3f}), the probe "
            f"{self.probe_accuracy:.1%} ({self.probe_loss:.3f}): {published} is published."
        )


def tune(
    network: Instrumented,
    examples: Examples,
    embedding: npt.NDArray[np.float32],
    probes: Sequence[Probe],
    *,
    split: Fold,
    recipe: Recipe,
    seed: int,
    say: Say,
) -> Tuning:
    """Fine-tune on one side of a split, and keep the outcome only if it beats the best probe.

    Args:
        network: as the probes saw it; where the outcome is no better, it is so in the end.
        examples: all images to learn from.
        embedding: [N, D], what the network makes of them.
        probes: fitted on them, the best first.
        split: rows to learn from, and rows to validate on.
        recipe: how to fine-tune.
        seed: of every random choice.
        say: hears of the progress.
    """
    inside, outside = split
    untouched = copy.deepcopy(network.module.state_dict())
    # A margin's scale is arbitrary, and cross-entropy would begin with unlearning it.
    logistic = next(each for each in probes if each.classifier is Classifier.LOGISTIC)
    heads.fold(network.module, probe.refit(logistic, embedding[inside], examples.labels[inside]))
    validation = examples.of(outside)
    epochs = finetune(network, examples.of(inside), validation, recipe, seed=seed, say=say)
    held_out = probes[0].held_out[outside]
    tuning = Tuning(
        epochs,
        features.logits(network, validation.crops).astype(np.float64),
        float((held_out.argmax(axis=1) == validation.labels).mean()),
        calibrated_loss(held_out, validation.labels),
    )
    if not tuning.better:
        network.module.load_state_dict(untouched)
    return tuning
