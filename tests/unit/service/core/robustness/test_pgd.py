"""FGSM and PGD beside foolbox's on the same network, and on linear models in closed form."""

from collections.abc import Callable
from typing import Any

import foolbox
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.network import Floats
from service.core.robustness import pgd
from service.core.robustness.criterion import Criterion
from service.core.robustness.losses import Loss
from service.core.robustness.norms import Norm
from service.core.robustness.pgd import Pgd, fgsm

EPS = {Norm.LINF: (0.07, 0.09, 0.11), Norm.L2: (0.8, 1.0, 1.2)}
"""Where foolbox leaves 20 to 80% standing, so that agreement says something."""

FOOLBOX = {
    (Norm.LINF, 1): foolbox.attacks.LinfFastGradientAttack(random_start=False),
    (Norm.L2, 1): foolbox.attacks.L2FastGradientAttack(random_start=False),
    (Norm.LINF, 20): foolbox.attacks.LinfPGD(rel_stepsize=0.125, steps=20, random_start=False),
    (Norm.L2, 20): foolbox.attacks.L2PGD(rel_stepsize=0.125, steps=20, random_start=False),
}


def published(attack: Any, digits: Any, criterion: Any, eps: float) -> npt.NDArray[np.bool_]:
    """Which images foolbox's attack fools."""
    model = foolbox.PyTorchModel(digits.module, bounds=(0, 1))
    _, _, fooled = attack(model, torch.from_numpy(digits.images), criterion, epsilons=eps)
    return np.asarray(fooled.numpy())


def of_length(eps: float, count: int) -> Floats:
    return np.full(count, eps, dtype=np.float32)


@pytest.mark.parametrize("steps", [1, 20])
@pytest.mark.parametrize(("norm", "eps"), [(n, eps) for n in Norm for eps in EPS[n]])
def test_the_same_images_are_fooled_as_by_foolbox(
    digits: Any, norm: Norm, eps: float, steps: int
) -> None:
    labels = torch.from_numpy(digits.labels)
    fooled = published(FOOLBOX[norm, steps], digits, labels, eps)
    how = fgsm(norm) if steps == 1 else Pgd(norm, steps=steps, random=False)

    found = pgd.attack(
        digits.network, digits.images, Criterion(digits.labels), of_length(eps, 300), how
    )

    assert len(digits.images) == 300
    assert 0.2 <= 1 - fooled.mean() <= 0.8
    assert (found.fooled == fooled).mean() >= 0.99
    assert abs(found.fooled.mean() - fooled.mean()) <= 0.005


def test_a_target_is_reached_as_often_as_foolbox_reaches_it(digits: Any) -> None:
    targets = (digits.labels + 1) % 10
    wanted = foolbox.criteria.TargetedMisclassification(torch.from_numpy(targets))
    reached = published(FOOLBOX[Norm.LINF, 20], digits, wanted, 0.15)

    found = pgd.attack(
        digits.network, digits.images, Criterion(digits.labels, targets),
        of_length(0.15, 300), Pgd(steps=20, random=False),
    )  # fmt: skip

    assert 0.2 <= reached.mean() <= 0.8
    assert (found.fooled == reached).mean() >= 0.99
    np.testing.assert_array_equal(found.logits.argmax(axis=1) == targets, found.fooled)
    assert found.threat.targeted


def test_momentum_fools_as_foolboxs_does(digits: Any) -> None:
    attack = foolbox.attacks.LinfMomentumIterativeFastGradientMethod(
        momentum=0.9, rel_stepsize=0.125, steps=20, random_start=False
    )
    fooled = published(attack, digits, torch.from_numpy(digits.labels), 0.1)

    found = pgd.attack(
        digits.network, digits.images, Criterion(digits.labels), of_length(0.1, 300),
        Pgd(steps=20, momentum=0.9, random=False),
    )  # fmt: skip

    assert 0.2 <= 1 - fooled.mean() <= 0.8
    assert (found.fooled == fooled).mean() >= 0.99


@pytest.mark.parametrize("loss", [Loss.CROSS_ENTROPY, Loss.MARGIN])
@pytest.mark.parametrize(("norm", "order"), [(Norm.LINF, np.inf), (Norm.L2, 2)])
def test_a_linear_model_falls_just_beyond_its_boundary(
    linear: Callable[[int], Any], greyish: Floats, norm: Norm, order: float, loss: Loss
) -> None:
    model = linear(2)
    distance = model.boundary(greyish, order)
    apart = distance > 1e-3  # nearer ones are a matter of float32's rounding
    images, distance = greyish[apart], distance[apart]
    criterion = Criterion(model.logits(images).argmax(axis=1))

    def fooled(share: float) -> npt.NDArray[np.bool_]:
        eps = (share * distance).astype(np.float32)
        how = Pgd(norm, steps=40, loss=loss, random=False)
        return pgd.attack(model.network, images, criterion, eps, how).fooled

    assert not fooled(0.999).any()
    assert fooled(1.001).all()


@given(
    seed=st.integers(0, 1000),
    eps=st.floats(0, 1),
    how=st.builds(
        Pgd, st.sampled_from(Norm), steps=st.integers(1, 3), loss=st.sampled_from(Loss),
        random=st.booleans(),
    ),
)  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_every_image_stays_in_its_ball_and_an_image(
    digits: Any, assert_within: Any, seed: int, eps: float, how: Pgd
) -> None:
    images, labels = digits.images[:8], digits.labels[:8]
    found = pgd.attack(
        digits.network, images, Criterion(labels), of_length(eps, 8), how, seed=seed
    ).images

    assert_within(found, images, eps, how.norm)


def test_several_eps_and_restarts_are_rows_of_one_run(digits: Any) -> None:
    alone = [
        pgd.attack(digits.network, digits.images[:20], Criterion(digits.labels[:20]),
                   of_length(eps, 20), Pgd(steps=5, random=False)).fooled
        for eps in (0.05, 0.1)
    ]  # fmt: skip
    rows = np.repeat(np.arange(20), 2)

    found = pgd.attack(
        digits.network, digits.images[rows], Criterion(digits.labels).take(rows),
        np.tile(np.array([0.05, 0.1], dtype=np.float32), 20), Pgd(steps=5, random=False),
    )  # fmt: skip

    np.testing.assert_array_equal(found.fooled.reshape(20, 2).T, alone)


def test_the_best_restart_is_one_that_fools(digits: Any) -> None:
    rows = np.repeat(np.arange(50), 4)
    tried = pgd.attack(
        digits.network, digits.images[rows], Criterion(digits.labels).take(rows),
        of_length(0.08, 200), Pgd(steps=3),
    )  # fmt: skip

    best = tried.best_of(4)

    np.testing.assert_array_equal(best.fooled, tried.fooled.reshape(50, 4).any(axis=1))
    answers = digits.network.logits(best.images).argmax(axis=1)
    np.testing.assert_array_equal(answers != digits.labels[:50], best.fooled)


def test_the_threat_model_says_how_the_attack_was_made(digits: Any) -> None:
    found = pgd.attack(
        digits.network, digits.images[:1], Criterion(digits.labels[:1]), of_length(0.1, 1),
        Pgd(Norm.L2, steps=5, loss=Loss.MARGIN),
    ).threat  # fmt: skip

    assert (found.norm, found.targeted, found.white_box) == (Norm.L2, False, True)
    assert found.attack == "pgd, margin, 5 steps of 0.5 eps, momentum 0, random start"
