"""DeepFool beside foolbox's on the same network, and on linear models in closed form."""

from collections.abc import Callable
from typing import Any

import foolbox
import numpy as np
import pytest
import torch

from service.core.network import Floats
from service.core.robustness import deepfool
from service.core.robustness.norms import Norm, length

ATTACKS = {
    Norm.LINF: foolbox.attacks.LinfDeepFoolAttack,
    Norm.L2: foolbox.attacks.L2DeepFoolAttack,
}


@pytest.mark.parametrize("norm", Norm)
def test_perturbations_are_as_long_as_foolboxs(digits: Any, norm: Norm) -> None:
    model = foolbox.PyTorchModel(digits.module, bounds=(0, 1))
    labels = torch.from_numpy(digits.labels)
    moved, _, fooled = ATTACKS[norm]()(
        model, torch.from_numpy(digits.images), labels, epsilons=None
    )

    found = deepfool.attack(digits.network, digits.images, digits.labels, norm)

    assert found.fooled.all()
    assert fooled.all()
    expected = length(moved.numpy() - digits.images, norm)
    lengths = length(found.images - digits.images, norm)
    assert np.median(lengths) == pytest.approx(np.median(expected), rel=0.02)
    assert np.median(np.abs(lengths / expected - 1)) < 0.001


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("norm", "order"), [(Norm.LINF, np.inf), (Norm.L2, 2)])
def test_on_a_linear_model_it_goes_to_the_nearest_boundary(
    linear: Callable[[int], Any], greyish: Floats, norm: Norm, order: float, classes: int
) -> None:
    model = linear(classes)
    distance = model.boundary(greyish, order)
    labels = model.logits(greyish).argmax(axis=1)

    found = deepfool.attack(model.network, greyish, labels, norm)

    assert found.fooled.all()
    lengths = length(found.images - greyish, norm)
    # It goes 2% beyond, and 1e-4 that keep its steps from vanishing.
    np.testing.assert_allclose(lengths, 1.02 * (distance + 1e-4), rtol=1e-2)


def test_what_is_misread_already_is_left_as_it_is(digits: Any) -> None:
    wrong = (digits.labels[:5] + 1) % 10

    found = deepfool.attack(digits.network, digits.images[:5], wrong, Norm.L2)

    assert found.fooled.all()
    np.testing.assert_array_equal(found.images, digits.images[:5])


def test_few_steps_may_not_suffice(digits: Any) -> None:
    found = deepfool.attack(digits.network, digits.images, digits.labels, Norm.L2, steps=1)

    assert 0 < found.fooled.mean() < 1
    answers = digits.network.logits(found.images).argmax(axis=1)
    np.testing.assert_array_equal(answers != digits.labels, found.fooled)
