"""How much accuracy attacks leave, and what is asked of it."""

from typing import Any

import foolbox
import numpy as np
import pytest
import torch

from models.errors import InvalidRequest, NotRobust
from models.golden import to_float
from service.core.robustness.evaluation import (
    Requirement,
    attack_of,
    hold,
    requirement,
    standing,
)


def crops_of(digits: Any) -> Any:
    return np.rint(digits.images.transpose(0, 2, 3, 1) * 255).astype(np.uint8)


def test_as_many_images_stand_as_against_foolbox(digits: Any) -> None:
    crops = crops_of(digits)
    model = foolbox.PyTorchModel(digits.module, bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(rel_stepsize=0.125, steps=20)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, _, fooled = attack(
            model, torch.from_numpy(to_float(crops)), torch.from_numpy(digits.labels), epsilons=0.09
        )

    found = standing(attack_of("pgd@linf:0.09"), digits.network, crops, digits.labels, seed=0)

    assert 0.2 <= 1 - fooled.float().mean() <= 0.8
    assert (found == ~fooled.numpy()).mean() >= 0.98  # their random starts differ


def test_what_is_wrong_from_the_start_does_not_stand(digits: Any) -> None:
    labels = digits.labels.copy()
    labels[:150] = (labels[:150] + 1) % 10

    found = standing(
        attack_of("fgsm@linf:0.0001"), digits.network, crops_of(digits), labels, seed=0
    )

    assert not found[:150].any()
    assert found[150:].all()


def test_a_requirement_is_an_attack_and_a_share() -> None:
    found = requirement("pgd@linf:1/255,steps=40=0.3")

    assert found == Requirement("pgd@linf:1/255,steps=40", 0.3)


@pytest.mark.parametrize(
    "text",
    ["pgd", "pgd@linf:1/255", "pgd=2", "pgd=nan", "jpeg=0.3", "deepfool=0.3", "pgd; fgsm=0.3",
     "pgd,target=3=0.3", "=0.3", ""],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        requirement(text)


def test_a_bundle_that_keeps_enough_passes() -> None:
    required = [requirement("pgd@linf:1/255=0.3"), requirement("square:1/255=0.5")]
    metrics = {"robust_accuracy_pgd@linf:1/255": 0.3, "robust_accuracy_square:1/255": 0.9}

    hold(metrics, required, "mine")
    with pytest.raises(NotRobust, match=r"mine: square:1/255 leaves 40\.0% .* 50\.0% is the least"):
        hold({**metrics, "robust_accuracy_square:1/255": 0.4}, required, "mine")


@pytest.mark.parametrize("text", ["pgd@linf:1/255", "pgd", "pgd:0.5/127.5", "pgd@linf,steps=20"])
def test_an_attack_may_be_written_otherwise_than_in_the_manifest(text: str) -> None:
    metrics = {"clean": 0.9, "robust_accuracy_pgd@linf:1/255": 0.3}

    hold(metrics, [requirement(f"{text}=0.3")], "mine")
    with pytest.raises(NotRobust, match="leaves 30"):
        hold(metrics, [requirement(f"{text}=0.4")], "mine")
    with pytest.raises(NotRobust, match="is not measured"):
        hold(metrics, [requirement(f"{text},momentum=0.5=0.3")], "mine")


def test_what_was_not_measured_is_not_taken_for_granted() -> None:
    with pytest.raises(NotRobust, match=r"pgd@linf:1/255 leaves .* is not measured"):
        hold({}, [requirement("pgd@linf:1/255=0")], "mine")
