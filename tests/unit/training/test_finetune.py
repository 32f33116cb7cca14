"""Fine-tuning: what it changes, what it leaves alone, and which state it keeps."""

import copy
import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from training import features
from training.backbones import backbone
from training.calibrate import calibrated_loss
from training.finetune import Epoch, Examples, Recipe, best, finetune
from training.instrument import Instrumented

CLASSES = 4
IMAGES = 160

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def digits() -> tuple[Examples, Examples]:
    """scikit-learn's handwritten digits, 32 pixels wide: to learn, and to validate."""
    images, labels = load_digits(n_class=CLASSES, return_X_y=True)
    grey = np.kron(images[:IMAGES].reshape(-1, 8, 8) * 15, np.ones((4, 4))).astype(np.uint8)
    examples = Examples(np.repeat(grey[..., None], 3, axis=3), labels[:IMAGES].astype(np.int64))
    rows = np.arange(IMAGES)
    return examples.of(rows[rows % 4 > 0]), examples.of(rows[rows % 4 == 0])


def network(name: str) -> Instrumented:
    torch.manual_seed(0)
    chosen = backbone(name)
    return Instrumented(chosen.build(CLASSES), chosen, chosen.preprocessing).eval()


def tuned(
    name: str, recipe: Recipe, digits: tuple[Examples, Examples], *, seed: int = 0
) -> tuple[Instrumented, list[Epoch], State]:
    """The network, what its epochs did, and its state before them."""
    module = network(name)
    before = copy.deepcopy(module.module.state_dict())
    epochs = finetune(module, *digits, recipe, seed=seed, say=lambda _: None)
    return module, epochs, before


def changed(module: Instrumented, before: State) -> set[str]:
    after = module.module.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def test_digits_are_learned(digits: tuple[Examples, Examples]) -> None:
    _, epochs, _ = tuned("lenet5", Recipe(epochs=6, rate=3e-3), digits)

    assert epochs[0].accuracy < 0.6
    assert best(epochs).accuracy > 0.9
    assert epochs[-1].training_loss < epochs[1].training_loss


def test_the_best_epoch_is_kept(digits: tuple[Examples, Examples]) -> None:
    # So high a rate spoils what a lower one would have reached.
    module, epochs, _ = tuned("lenet5", Recipe(epochs=5, rate=0.05), digits)

    _, validation = digits
    loss = calibrated_loss(features.logits(module, validation.crops), validation.labels)
    assert loss == pytest.approx(min(epoch.loss for epoch in epochs), abs=1e-6)
    assert best(epochs) is not epochs[-1]


def test_weights_that_diverge_are_undone(digits: tuple[Examples, Examples]) -> None:
    module, epochs, before = tuned("lenet5", Recipe(epochs=5, rate=1e9), digits)

    assert len(epochs) < 1 + 5
    assert best(epochs).number == 0
    assert not changed(module, before)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(0, {"fc"}), (1, {"fc", "layer4.1"}), (None, None)],
)
def test_frozen_layers_and_all_statistics_stay(
    digits: tuple[Examples, Examples], depth: int | None, expected: set[str] | None
) -> None:
    module, epochs, before = tuned("resnet18", Recipe(depth, epochs=1, rate=1e-3), digits)

    assert best(epochs).number == 1
    moved = changed(module, before)
    assert not any("running" in name or "num_batches" in name for name in moved)
    parameters = {name for name, _ in module.module.named_parameters()}
    wanted = {
        name
        for name in parameters
        if expected is None or any(name.startswith(f"{part}.") for part in expected)
    }
    assert moved == wanted


def test_rates_fall_from_block_to_block(digits: tuple[Examples, Examples]) -> None:
    module, epochs, before = tuned("lenet5", Recipe(epochs=1, rate=1e-3, decay=0.0), digits)

    assert best(epochs).number == 1
    head = [name for name, _ in module.module.named_parameters()][-2:]
    assert changed(module, before) == set(head)


def test_one_seed_gives_one_network(digits: tuple[Examples, Examples]) -> None:
    recipe = Recipe(epochs=2, rate=1e-3)
    first, epochs, _ = tuned("lenet5", recipe, digits)
    second, again, _ = tuned("lenet5", recipe, digits)
    other, _, _ = tuned("lenet5", recipe, digits, seed=1)

    assert not changed(second, first.module.state_dict())
    assert changed(other, first.module.state_dict())
    assert epochs[1:] == again[1:]
    assert math.isnan(epochs[0].training_loss)


def test_each_epoch_is_told(digits: tuple[Examples, Examples]) -> None:
    lines: list[str] = []
    finetune(network("lenet5"), *digits, Recipe(epochs=2), seed=0, say=lines.append)

    assert [line.partition(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert all("images/s" in line for line in lines)
