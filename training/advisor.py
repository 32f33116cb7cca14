"""How much of a network to train, chosen by what there is to learn and how new it is.

The table is the classic one of transfer learning: little or much data, like or unlike what
the network has learned (Stanford's CS231n, "Transfer learning"; Yosinski et al. 2014 for why
the lower layers are kept).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from training import depth
from training.depth import Depth
from training.layers import Transfer
from training.learning import rate_finder
from training.recipe import Recipe, Strategy

MUCH = 500
"""Images of a class from which on there is much data.

Not measured here: cats and dogs gained three points by fine-tuning with 1000 of each (Chollet
2016, "Building powerful image classification models using very little data"); half as many is
where it is worth the time to try.
"""

FAR = 0.35
"""Standard deviations from the first task from which on images are unlike its own.

Measured with EfficientNet-Lite0: ImageNet's own photos are 0.14 to 0.15 away, photos of ants
and bees 0.21 and of flowers 0.25; grey textures 0.45, surface defects 0.62, simulated cloth
0.68 and noise 0.77.
"""

UPPER = 0.25
"""Least share of the blocks that are fine-tuned, if any; not measured."""

AFTERWARDS = 3
"""Passes over the images once a network is trained: its embeddings, and the export's check."""

_SHORT = 10

BACKWARD = 2
"""What a backward pass costs, in forward passes."""


@dataclass(frozen=True)
class Evidence:
    """What a choice rests on.

    Attributes:
        per_class: images to learn from of the median class.
        layers: how far each layer serves, the embedding last.
        shift: how far the images are from those of the first task (`training.shift`); None
            where the network cannot tell.
        pretrained: whether the weights have learned anything.
        forward: seconds that the network takes for an image.
        spent: seconds since the start.
    """

    per_class: int
    layers: Sequence[Transfer]
    shift: float | None
    pretrained: bool
    forward: float
    spent: float

    @property
    def much(self) -> bool:
        """Whether there is much data."""
        return self.per_class >= MUCH

    @property
    def cell(self) -> tuple[bool, bool]:
        """The cell of `CHOICES` that it falls into."""
        return self.much, self.similar

    @property
    def serving(self) -> Transfer:
        """The lowest layer that serves as well as the best.

        As well is within one standard error (Breiman et al. 1984, "Classification and
        regression trees", section 3.4.3).
        """
        best = max(self.layers, key=lambda layer: layer.accuracy)
        enough = best.accuracy - best.error
        return next(layer for layer in self.layers if layer.accuracy >= enough)

    @property
    def similar(self) -> bool:
        """Whether the images are like what the network has learned.

        Where no distance is known, they are if no layer serves as well as the embedding.
        """
        if self.shift is None:
            return self.pretrained and self.serving is self.layers[-1]
        return self.shift < FAR

    @property
    def calls_for_training(self) -> bool:
        """Whether the table says to train the network."""
        return self.much or not self.similar


@dataclass(frozen=True)
class Advice:
    """What to do, and why, in one sentence."""

    evidence: Evidence
    recipe: Recipe
    reason: str

    @property
    def hurried(self) -> bool:
        """Whether the table says to train the network, and there was no time for it."""
        return self.evidence.calls_for_training and self.recipe.strategy is Strategy.PROBE


CHOICES = {
    (False, True): "a linear classifier on its features",
    (False, False): "fine-tune the blocks above the layer that serves as well as any",
    (True, True): f"fine-tune the upper {UPPER:.0%} of its blocks",
    (True, False): "fine-tune all its blocks",
}
"""The table: by whether there is much data, and whether it is similar."""


def advise(evidence: Evidence, asked: Recipe, budget: float) -> Advice:
    """Look the evidence up in the table, and see whether there is time for it.

    Args:
        evidence: of the images and the network.
        asked: the recipe that leaves the strategy and the depth to choose.
        budget: seconds from reading to publishing; where it is too little, the advice is not
            to fine-tune, and the reason says how long it would take.
    """
    known = f"{_amount(evidence)}, and {_likeness(evidence)}"
    without = {"strategy": Strategy.PROBE, "adversarial": None, "noise": 0.0}
    probe = asked.model_copy(update=without)
    if not evidence.calls_for_training and not asked.hardened:
        return Advice(evidence, probe, f"{known}: a linear classifier on its features will do.")
    chosen = _depth(evidence)
    update = {"strategy": Strategy.FINETUNE, "depth": depth.name(chosen)}
    recipe = asked.model_copy(update=update)
    seconds = evidence.spent + _seconds(recipe, evidence)
    blocks = _blocks(chosen)
    if seconds <= budget and not evidence.calls_for_training:
        reason = f"{known}, but attacked or noisy ones are asked for: {blocks} can learn these."
        return Advice(evidence, recipe, reason)
    if seconds <= budget:
        return Advice(evidence, recipe, f"{known}: to fine-tune {blocks} pays.")
    return Advice(
        evidence,
        probe,
        f"{known}: to fine-tune {blocks} would take {_minutes(seconds)} min, more than the "
        f"--budget of {_minutes(budget)}, so a linear classifier on its features has to do.",
    )


def _amount(evidence: Evidence) -> str:
    amount = "many" if evidence.much else "few"
    return f"{evidence.per_class} images of a class are {amount}"


def _likeness(evidence: Evidence) -> str:
    if not evidence.pretrained:
        return "the network has learned nothing yet"
    if evidence.shift is not None:
        likeness = "like" if evidence.similar else "unlike"
        return (
            f"they are {likeness} those that the network has learned "
            f"({evidence.shift:.2f} standard deviations away)"
        )
    if evidence.similar:
        return "no layer serves as well as the network's last"
    layer = evidence.serving
    return f"the layer after {layer.blocks} of {layer.of} blocks serves as well as any"


def _depth(evidence: Evidence) -> Depth:
    """How many blocks to fine-tune; None for all."""
    if evidence.much and not evidence.similar:
        return None
    of = evidence.layers[-1].of
    upper = max(1, round(UPPER * of))
    return upper if evidence.similar else max(upper, of - evidence.serving.blocks)


def _seconds(recipe: Recipe, evidence: Evidence) -> float:
    """What is still to come: below the trained blocks there is no backward pass."""
    last, trained = evidence.layers[-1], depth.parse(recipe.depth)
    share = 1 if trained is None else trained / last.of
    learned = recipe.epochs * last.images
    if recipe.rate is None:
        learned += rate_finder.STEPS * recipe.batch * recipe.accumulate
    # An attack goes back to the pixels at each of its steps.
    attack = 0 if recipe.adversarial is None else recipe.attack_steps * (1 + BACKWARD)
    passes = learned * (1 + BACKWARD * share + attack) + (recipe.epochs + AFTERWARDS) * last.images
    return passes * evidence.forward


def _blocks(depth: Depth) -> str:
    if depth is None:
        return "all its blocks"
    return "its last block" if depth == 1 else f"its last {depth} blocks"


def _minutes(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.1f}" if minutes < _SHORT else f"{minutes:.0f}"
