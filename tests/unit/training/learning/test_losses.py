"""Losses of soft targets, beside PyTorch's, scikit-learn's and closed forms."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from training.learning.losses import class_weights, losses, targets
from training.recipe import Balance, Loss, Recipe

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 3, 3])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_pytorch_s(smoothing: float) -> None:
    found = losses(LOGITS, targets(LABELS, 4), Recipe(label_smoothing=smoothing))

    expected = functional.cross_entropy(LOGITS, LABELS, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(found, expected)


def test_cross_entropy_of_mixed_targets_is_pytorch_s() -> None:
    mixed = 0.3 * targets(LABELS, 4) + 0.7 * targets(LABELS.flip(0), 4)

    found = losses(LOGITS, mixed, Recipe())

    torch.testing.assert_close(found, functional.cross_entropy(LOGITS, mixed, reduction="none"))


def test_the_focal_loss_makes_little_of_what_is_right_already() -> None:
    found = losses(LOGITS, targets(LABELS, 4), Recipe(loss=Loss.FOCAL, focus=2.0))

    right = LOGITS.softmax(dim=1)[torch.arange(6), LABELS]
    torch.testing.assert_close(found, -((1 - right) ** 2) * right.log())
    plain = losses(LOGITS, targets(LABELS, 4), Recipe(loss=Loss.FOCAL, focus=0.0))
    torch.testing.assert_close(plain, losses(LOGITS, targets(LABELS, 4), Recipe()))


def test_the_squared_error_is_of_probabilities() -> None:
    found = losses(LOGITS, targets(LABELS, 4), Recipe(loss=Loss.SQUARED))

    errors = LOGITS.softmax(dim=1).numpy() - np.eye(4)[LABELS]
    np.testing.assert_allclose(found, (errors**2).sum(axis=1), rtol=1e-6)


def test_class_weights_are_scikit_learn_s_balanced_ones() -> None:
    found = class_weights(LABELS, 4, Balance.WEIGHTS)

    expected = compute_class_weight("balanced", classes=np.arange(4), y=LABELS.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert class_weights(LABELS, 4, Balance.NONE).tolist() == [1.0] * 4
