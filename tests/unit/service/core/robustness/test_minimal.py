"""The smallest perturbations: closed forms on linear models, foolbox's on a network."""

from collections.abc import Callable
from typing import Any

import foolbox
import numpy as np
import pytest
import torch

from service.core.network import Floats
from service.core.robustness import deepfool
from service.core.robustness.minimal import minimal
from service.core.robustness.norms import Norm, length


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("norm", "order"), [(Norm.LINF, np.inf), (Norm.L2, 2)])
def test_on_a_linear_model_it_is_the_closed_form(
    linear: Callable[[int], Any], greyish: Floats, norm: Norm, order: float, classes: int
) -> None:
    model = linear(classes)
    distance = model.boundary(greyish, order)

    found = minimal(model.network, greyish, model.logits(greyish).argmax(axis=1), norm)

    assert found.attacked.fooled.all()
    np.testing.assert_allclose(found.distance, distance, rtol=2e-3, atol=1e-5)


def test_linf_margins_are_as_small_as_foolboxs(digits: Any) -> None:
    model = foolbox.PyTorchModel(digits.module, bounds=(0, 1))
    search = foolbox.attacks.LInfFMNAttack(steps=200)
    images, labels = torch.from_numpy(digits.images), torch.from_numpy(digits.labels)
    moved, _, fooled = search(model, images, labels, epsilons=None)
    expected = np.where(fooled, length(moved.numpy() - digits.images, Norm.LINF), np.inf)

    found = minimal(digits.network, digits.images, digits.labels, Norm.LINF)

    assert np.median(found.distance) == pytest.approx(np.median(expected), rel=0.02)


@pytest.mark.parametrize("norm", Norm)
def test_it_is_never_longer_than_deepfools_and_fools_as_it_says(digits: Any, norm: Norm) -> None:
    first = deepfool.attack(digits.network, digits.images, digits.labels, norm)

    found = minimal(digits.network, digits.images, digits.labels, norm)

    assert (found.distance <= length(first.images - digits.images, norm)).all()
    assert np.median(found.distance) < np.median(length(first.images - digits.images, norm))
    moved = found.attacked.images
    assert (digits.network.logits(moved).argmax(axis=1) != digits.labels).all()
    np.testing.assert_allclose(length(moved - digits.images, norm), found.distance)


def test_a_misread_image_needs_no_perturbation(digits: Any) -> None:
    wrong = (digits.labels[:3] + 1) % 10

    assert not minimal(digits.network, digits.images[:3], wrong, Norm.L2).distance.any()
