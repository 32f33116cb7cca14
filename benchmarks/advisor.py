"""What the advisor chooses, beside every strategy by hand, on the same photos.

All start from the same features and learn from the same photos. As in `seewhy train`, where
training the network leaves it no better than the linear classifier on validation photos, that
counts in its stead; a network from random weights counts as it is. Figures are of the photos
held out, which choose nothing. Prints Markdown.

    python benchmarks/advisor.py DATA... [--epochs N] [--seed N]
"""

import argparse
import math
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from training import features, weights
from training.advisor import advise
from training.data.dataset import Split
from training.evaluate import Evaluation, evaluate
from training.finetune import Run, finetune
from training.learn import Learned, learn, read
from training.learning.balance import resolved
from training.learning.processes import Processes
from training.partition import divided
from training.recipe import Recipe, Strategy
from training.request import Training
from training.transfer import transferred
from training.tuning import tune

DEPTHS = ("head", "4", "full")


@dataclass(frozen=True)
class Outcome:
    """What a strategy comes to, and how good that is on the photos held out."""

    counts: str
    judged: Evaluation


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(conditions(given.epochs, given.seed))
    for data in given.data:
        compare(data, Recipe(epochs=given.epochs), given.seed)


def compare(data: Path, asked: Recipe, seed: int) -> None:
    """Print the table of a data set, each row as soon as it is known."""
    # Without time, the linear classifier is fitted and no more, and the evidence is there.
    request = Training(data, recipe=asked, seed=seed, budget=0)
    learned = learn(request, lambda _: None, Processes.alone())
    chosen = advised(learned, asked)
    print(f"\n## {data.name}\n\nThe advisor chooses `{name(chosen)}`.\n")
    print("| strategy | what counts | right | balanced |\n| --- | --- | ---: | ---: |", flush=True)
    measure = measured(learned, seed)
    right = {}
    for recipe in {name(each): each for each in [chosen, *by_hand(chosen)]}.values():
        found = measure(recipe)
        right[name(recipe)] = found.judged.top1
        shares = f"{found.judged.top1:.1%} | {found.judged.balanced_accuracy:.1%}"
        print(f"| `{name(recipe)}` | {found.counts} | {shares} |", flush=True)
    below = 100 * (max(right.values()) - right[name(chosen)])
    print(f"\nThe advisor is {below:.1f} points below the best.", flush=True)


def advised(learned: Learned, asked: Recipe) -> Recipe:
    """What the advisor chooses if time is no matter."""
    if learned.advice is None:
        raise ValueError("the strategy was not left open")
    recipe = resolved(asked, learned.images.labels)
    return advise(learned.advice.evidence, recipe, math.inf).recipe


def by_hand(chosen: Recipe) -> list[Recipe]:
    """The other strategies, from the least trained to the most."""
    return [
        chosen.model_copy(update={"strategy": strategy, "depth": depth})
        for strategy, depth in (
            (Strategy.PROBE, "full"),
            *((Strategy.FINETUNE, depth) for depth in DEPTHS),
            (Strategy.SCRATCH, "full"),
        )
    ]


def name(recipe: Recipe) -> str:
    """The strategy, with the depth where it has one."""
    tuned = recipe.strategy is Strategy.FINETUNE
    return f"{recipe.strategy} {recipe.depth}" if tuned else str(recipe.strategy)


def measured(learned: Learned, seed: int) -> Callable[[Recipe], Outcome]:
    """What follows a recipe from where the linear classifier stands."""
    test = read(learned.data.dataset.of(Split.TEST), learned.backbone)
    names = learned.data.dataset.labels

    def judge(logits: npt.NDArray[np.floating]) -> Evaluation:
        return evaluate(logits, test.labels, names)

    linear = Outcome("the linear classifier", judge(features.logits(learned.network, test.crops)))
    parts = divided(learned.data, learned.splits[0], seed=seed)

    def measure(recipe: Recipe) -> Outcome:
        if recipe.strategy is Strategy.PROBE:
            return linear
        scratch = recipe.strategy is Strategy.SCRATCH
        known = weights.load(learned.backbone, "none") if scratch else learned.weights
        network = transferred(learned.backbone, known, len(names), seed=seed)
        examples, run = learned.images.examples, Run(seed, say=lambda _: None)
        if scratch:
            training, validation = examples.of(parts.training), examples.of(parts.validation)
            finetune(network, training, validation, recipe, run)
        elif not tune(
            network, examples, learned.embedding, learned.probes,
            partition=parts, recipe=recipe, run=run,
        ).better:  # fmt: skip
            return linear
        return Outcome("the trained network", judge(features.logits(network, test.crops)))

    return measure


def conditions(epochs: int, seed: int) -> str:
    """What the figures hold for."""
    return (
        f"{datetime.now(UTC).date()}; EfficientNet-Lite0 with its package's weights, "
        f"{epochs} epochs, seed {seed}, else as `seewhy train` by default; {platform.machine()}, "
        f"{torch.get_num_threads()} threads; torch {torch.__version__}."
    )


if __name__ == "__main__":
    main()
