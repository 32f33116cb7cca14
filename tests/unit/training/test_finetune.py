"""Fine-tuning: what it changes, what it leaves alone, and which state it keeps."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from models.errors import TrainingError
from training import features
from training.backbones import backbone
from training.calibrate import calibrated_loss
from training.finetune import Run, finetune
from training.history import History
from training.instrument import Instrumented
from training.learning.batches import Examples
from training.recipe import Metric, Recipe, Schedule, Strategy

CLASSES = 4
IMAGES = 160

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def digits(enlarged_digits: Examples) -> tuple[Examples, Examples]:
    """Handwritten digits: to learn, and to validate."""
    rows = np.flatnonzero(enlarged_digits.labels < CLASSES)[:IMAGES]
    validating = np.arange(IMAGES) % 4 == 0
    return enlarged_digits.of(rows[~validating]), enlarged_digits.of(rows[validating])


def network(name: str) -> Instrumented:
    torch.manual_seed(0)
    chosen = backbone(name)
    return Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()


def tuned(
    name: str, recipe: Recipe, digits: tuple[Examples, Examples], *, seed: int = 0
) -> tuple[Instrumented, History, State]:
    """The network, what its epochs did, and its state before them."""
    module = network(name)
    before = copy.deepcopy(module.module.state_dict())
    history = finetune(module, *digits, recipe, Run(seed))
    return module, history, before


def changed(module: Instrumented, before: State) -> set[str]:
    after = module.module.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def test_digits_are_learned(digits: tuple[Examples, Examples]) -> None:
    _, history, _ = tuned("lenet5", Recipe(epochs=6, rate=3e-3), digits)

    assert history.epochs[0].score.accuracy < 0.6
    assert history.best.score.accuracy > 0.9
    assert history.epochs[-1].training_loss < history.epochs[1].training_loss
    assert history.epochs[-1].training_accuracy > 0.8


def test_the_best_epoch_is_kept(digits: tuple[Examples, Examples]) -> None:
    # So high a rate spoils what a lower one would have reached.
    recipe = Recipe(epochs=5, rate=0.03, schedule=Schedule.CONSTANT)
    module, history, _ = tuned("lenet5", recipe, digits)

    _, validation = digits
    loss = calibrated_loss(features.logits(module, validation.crops), validation.labels)
    assert loss == pytest.approx(min(epoch.score.loss for epoch in history.epochs), abs=1e-6)
    assert history.best is not history.epochs[-1]


def test_weights_that_diverge_are_undone(digits: tuple[Examples, Examples]) -> None:
    module, history, before = tuned("lenet5", Recipe(epochs=5, rate=1e9), digits)

    assert len(history.epochs) < 1 + 5
    assert history.best.number == 0
    assert not changed(module, before)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [("head", {"fc"}), ("1", {"fc", "layer4.1"}), ("full", None)],
)
def test_frozen_layers_and_all_statistics_stay(
    digits: tuple[Examples, Examples], depth: str, expected: set[str] | None
) -> None:
    module, history, before = tuned("resnet18", Recipe(depth=depth, epochs=1, rate=1e-3), digits)

    assert history.best.number == 1
    moved = changed(module, before)
    assert not any("running" in name or "num_batches" in name for name in moved)
    parameters = {name for name, _ in module.module.named_parameters()}
    wanted = {
        name
        for name in parameters
        if expected is None or any(name.startswith(f"{part}.") for part in expected)
    }
    assert moved == wanted


def test_from_scratch_statistics_are_learned_too(digits: tuple[Examples, Examples]) -> None:
    recipe = Recipe(strategy=Strategy.SCRATCH, epochs=1, rate=1e-3)

    module, _, before = tuned("resnet18", recipe, digits)

    assert {name for name in before if "running" in name} <= changed(module, before)
    assert not module.module.training


def test_rates_fall_from_block_to_block(digits: tuple[Examples, Examples]) -> None:
    module, history, before = tuned("lenet5", Recipe(epochs=1, rate=1e-3, decay=0.0), digits)

    assert history.best.number == 1
    head = [name for name, _ in module.module.named_parameters()][-2:]
    assert changed(module, before) == set(head)


def test_gradual_unfreezing_reaches_one_block_more_with_each_epoch(
    digits: tuple[Examples, Examples],
) -> None:
    recipe = Recipe(epochs=2, rate=1e-3, gradual=True)

    module, history, before = tuned("lenet5", recipe, digits)

    assert history.best.number == 2
    above = [name for name, _ in module.module.named_parameters()][-4:]
    assert changed(module, before) == set(above)


def test_one_seed_gives_one_network(digits: tuple[Examples, Examples]) -> None:
    recipe = Recipe(epochs=2, rate=1e-3, dropout=0.2, mixup=0.3, augment=("crop", "noise"))
    first, history, _ = tuned("lenet5", recipe, digits)
    second, again, _ = tuned("lenet5", recipe, digits)
    other, _, _ = tuned("lenet5", recipe, digits, seed=1)

    assert not changed(second, first.module.state_dict())
    assert changed(other, first.module.state_dict())
    assert history.epochs[1:] == again.epochs[1:]
    assert math.isnan(history.epochs[0].training_loss)


def test_passes_of_a_step_sum_to_one_larger_pass(digits: tuple[Examples, Examples]) -> None:
    whole, _, _ = tuned("lenet5", Recipe(epochs=1, rate=1e-3, batch=32), digits)
    parts, _, _ = tuned("lenet5", Recipe(epochs=1, rate=1e-3, batch=8, accumulate=4), digits)

    for name, tensor in whole.module.state_dict().items():
        torch.testing.assert_close(parts.module.state_dict()[name], tensor, msg=name)


def test_patience_ends_what_no_longer_gets_better(digits: tuple[Examples, Examples]) -> None:
    recipe = Recipe(epochs=30, rate=0.03, schedule=Schedule.CONSTANT, patience=2)

    _, history, _ = tuned("lenet5", recipe, digits)

    last = history.epochs[-1].number
    assert last < 30
    assert last - history.best.number == 2


def test_the_metric_says_which_epoch_is_the_best(digits: tuple[Examples, Examples]) -> None:
    recipe = Recipe(epochs=3, rate=3e-3, metric=Metric.BALANCED_ACCURACY)

    module, history, _ = tuned("lenet5", recipe, digits)

    _, validation = digits
    predicted = features.logits(module, validation.crops).argmax(axis=1)
    expected = balanced_accuracy_score(validation.labels, predicted)
    assert history.score.balanced_accuracy == pytest.approx(expected)
    assert expected == max(epoch.score.balanced_accuracy for epoch in history.epochs)


def test_without_a_rate_one_is_found_that_undoes_nothing(
    digits: tuple[Examples, Examples],
) -> None:
    _, history, _ = tuned("lenet5", Recipe(epochs=1), digits)

    assert history.sweep is not None
    assert history.sweep.chosen <= 1e-4
    again = finetune(network("lenet5"), *digits, Recipe(epochs=1, rate=history.sweep.chosen), Run())
    assert again.epochs == history.epochs, "the sweep leaves no trace"


@pytest.mark.parametrize("schedule", Schedule)
def test_a_sweep_tries_the_same_rates_whatever_the_schedule(
    digits: tuple[Examples, Examples], schedule: Schedule
) -> None:
    recipe = Recipe(strategy=Strategy.SCRATCH, epochs=1, optimizer="SGD", momentum=0)
    steady = recipe.model_copy(update={"schedule": Schedule.CONSTANT})

    _, found, _ = tuned("lenet5", recipe.model_copy(update={"schedule": schedule}), digits)
    _, expected, _ = tuned("lenet5", steady, digits)

    assert found.sweep == expected.sweep


def test_each_epoch_is_told(digits: tuple[Examples, Examples]) -> None:
    lines: list[str] = []
    finetune(network("lenet5"), *digits, Recipe(epochs=2, rate=1e-3), Run(say=lines.append))

    assert [line.partition(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert all("images/s" in line for line in lines)


RESUMED = Recipe(
    epochs=4, rate=3e-3, soup=2, ema=0.5, dropout=0.2, cutmix=0.5, augment=("crop", "color")
)


@pytest.mark.parametrize(
    "recipe",
    [RESUMED, RESUMED.model_copy(update={"optimizer": "SGD", "schedule": Schedule.ONE_CYCLE})],
    ids=["AdamW", "SGD"],
)
def test_a_run_taken_up_again_ends_as_if_never_interrupted(
    digits: tuple[Examples, Examples], recipe: Recipe, tmp_path: Path
) -> None:
    whole, history, _ = tuned("lenet5", recipe, digits)

    class Interrupted(Exception):
        pass

    def interrupt(line: str) -> None:
        if line.startswith("epoch 2"):
            raise Interrupted

    with pytest.raises(Interrupted):
        finetune(network("lenet5"), *digits, recipe, Run(folder=tmp_path, say=interrupt))
    resumed = network("lenet5")
    again = finetune(resumed, *digits, recipe, Run(folder=tmp_path, resume=True))

    assert not changed(resumed, whole.module.state_dict())
    assert again.epochs[1:] == history.epochs[1:]
    assert again.soup == history.soup
    journal = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in journal] == [1, 2, 3, 4]


def test_a_checkpoint_of_another_run_is_refused(
    digits: tuple[Examples, Examples], tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, rate=1e-3)
    finetune(network("lenet5"), *digits, recipe, Run(folder=tmp_path, identity="flowers"))

    with pytest.raises(TrainingError, match="of another run"):
        finetune(
            network("lenet5"), *digits, recipe,
            Run(folder=tmp_path, identity="bees", resume=True),
        )  # fmt: skip
