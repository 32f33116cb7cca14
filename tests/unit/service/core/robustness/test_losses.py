"""Losses and their gradients, beside the papers' formulas in PyTorch's autograd, in float64."""

from typing import Any

import numpy as np
import pytest
import torch

from models.errors import InvalidRequest
from service.core.robustness.criterion import Criterion
from service.core.robustness.losses import Loss, ascent, cotangent, value

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(50, 7)).astype(np.float32)
LABELS = GENERATOR.integers(0, 7, 50)
TARGETS = (LABELS + GENERATOR.integers(1, 7, 50)) % 7


def published(loss: Loss, logits: torch.Tensor, *, targeted: bool) -> torch.Tensor:
    """Each loss as its paper writes it: [N]."""
    labels, targets = torch.from_numpy(LABELS), torch.from_numpy(TARGETS)
    rows = torch.arange(len(logits))
    at_label, at_target = logits[rows, labels], logits[rows, targets]
    ordered = logits.sort(dim=1, descending=True).values
    others = logits.clone()
    others[rows, targets if targeted else labels] = -torch.inf
    best_other = others.max(dim=1).values
    if loss is Loss.CROSS_ENTROPY:
        entropy = torch.nn.functional.cross_entropy
        if targeted:
            return -entropy(logits, targets, reduction="none")
        return entropy(logits, labels, reduction="none")
    if loss is Loss.MARGIN:
        return at_target - best_other if targeted else best_other - at_label
    if targeted:
        spread = ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2
        return -(at_label - at_target) / spread
    return -(at_label - best_other) / (ordered[:, 0] - ordered[:, 2])


def criterion(*, targeted: bool) -> Criterion:
    return Criterion(LABELS, TARGETS if targeted else None)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", Loss)
def test_a_loss_is_the_papers(loss: Loss, *, targeted: bool) -> None:
    expected = published(loss, torch.from_numpy(LOGITS).double(), targeted=targeted)

    np.testing.assert_allclose(
        value(LOGITS, criterion(targeted=targeted), loss), expected, rtol=1e-4
    )


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", [Loss.MARGIN, Loss.DLR])
def test_a_cotangent_is_the_gradient_of_its_loss(loss: Loss, *, targeted: bool) -> None:
    logits = torch.from_numpy(LOGITS).double().requires_grad_()
    (expected,) = torch.autograd.grad(published(loss, logits, targeted=targeted).sum(), logits)

    found = cotangent(LOGITS, criterion(targeted=targeted), loss)

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", Loss)
def test_the_gradient_through_a_network_is_autograds(
    digits: Any, loss: Loss, *, targeted: bool
) -> None:
    images = torch.from_numpy(digits.images[:50]).requires_grad_()
    expected_values = published(loss, digits.module(images), targeted=targeted)
    (expected,) = torch.autograd.grad(expected_values.sum(), images)

    found = ascent(digits.network, digits.images[:50], criterion(targeted=targeted), loss)

    assert found.values == pytest.approx(expected_values.detach().numpy(), rel=1e-3, abs=1e-4)
    assert found.gradient == pytest.approx(expected.numpy(), rel=1e-2, abs=1e-4)


@pytest.mark.parametrize(("targeted", "classes"), [(False, 2), (True, 3)])
def test_dlr_says_when_there_are_too_few_classes(*, targeted: bool, classes: int) -> None:
    labels = np.zeros(2, dtype=np.int64)
    few = Criterion(labels, labels + 1 if targeted else None)

    with pytest.raises(InvalidRequest, match=rf"needs {classes + 1} classes and the model has"):
        value(np.zeros((2, classes), dtype=np.float32), few, Loss.DLR)
