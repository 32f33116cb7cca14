"""Every attack as a check: within its budget, and by the served model's word."""

from dataclasses import replace
from typing import Any

import foolbox
import numpy as np
import pytest
import torch

from models.golden import to_float
from models.manifest import Precision
from service.core.robustness.check import Check
from service.core.robustness.examination import Verdict, examine
from service.core.robustness.norms import Norm
from service.core.robustness.notation import parse
from service.core.robustness.subject import Subject

ATTACKS = (
    "fgsm@linf:0.3", "pgd@linf:0.3", "pgd@l2:1,restarts=3,loss=margin",
    "apgd@linf:0.3,steps=20", "apgd@linf:0.001,steps=20", "square:0.5,queries=100",
    "square@l2:1,queries=50", "deepfool@l2", "deepfool@linf", "minimal@l2,bisections=3",
    "smoothing,n0=10,n=50",
)  # fmt: skip


@pytest.fixture
def subject(digits: Any) -> Subject:
    crop = np.rint(digits.images[3].transpose(1, 2, 0) * 255).astype(np.uint8)

    def serve(crops: Any) -> Any:
        return digits.network.logits(to_float(crops))

    answer = int(serve(crop[np.newaxis])[0].argmax())
    return Subject(digits.network, serve, crop, answer, tuple("0123456789"))


def one(text: str) -> Check:
    (check,) = parse(text).values()
    return check


@pytest.mark.parametrize("text", ATTACKS)
def test_no_check_takes_more_passes_than_it_says(subject: Subject, text: str) -> None:
    (found,) = examine(parse(text), subject).checks

    assert 0 < found.passes <= one(text).passes


@pytest.mark.parametrize("text", ["pgd@linf:0.3", "apgd@linf:0.3", "square:0.5", "deepfool@linf"])
def test_a_wide_ball_fools_and_the_served_model_says_so(subject: Subject, text: str) -> None:
    examined = examine(parse(text), subject)

    (found,) = examined.checks
    assert examined.verdict is Verdict.FRAGILE
    assert found.finding.image is not None
    assert subject.serve(found.finding.image[np.newaxis])[0].argmax() == found.finding.answer
    assert found.finding.answer != subject.answer
    assert examined.shown is found


def test_a_narrow_ball_does_not(subject: Subject) -> None:
    examined = examine(parse("apgd@linf:1/255,steps=10; pgd@linf:1/255"), subject)

    assert examined.verdict is Verdict.ROBUST
    assert examined.reason == "the answer survived 2 of 2 checks"


def test_a_served_model_that_is_not_fooled_makes_the_attack_one_in_floats(
    subject: Subject, digits: Any
) -> None:
    steady = np.eye(10, dtype=np.float32)[[subject.answer]]

    def serve(crops: Any) -> Any:
        return np.repeat(steady, len(crops), axis=0)

    stubborn = Subject(digits.network, serve, subject.crop, subject.answer, subject.labels)
    (found,) = examine(parse("pgd@linf:0.3"), stubborn).checks

    assert found.finding.survived
    assert found.finding.only_in_floats


@pytest.mark.parametrize(
    ("text", "precision", "passes"),
    [
        ("fgsm@linf:1/255", Precision.FP32, 2),  # an image file holds what the step ends on
        ("fgsm@linf:1/255", Precision.INT8, 3),
        ("fgsm@linf:1.5/255", Precision.FP32, 3),
        ("fgsm@l2:0.01", Precision.FP32, 3),
        ("fgsm@linf:0.3", Precision.INT8, 2),  # the served model is fooled
    ],
)
def test_fgsm_asks_the_floats_again_only_where_the_served_model_leaves_a_doubt(
    subject: Subject, text: str, precision: Precision, passes: int
) -> None:
    (found,) = examine(parse(text), replace(subject, precision=precision)).checks

    assert found.passes == passes
    assert found.finding.survived == (text != "fgsm@linf:0.3")


@pytest.mark.parametrize(("eps", "target"), [("0.3", ""), ("0.03", ""), ("0.3", ",target=7")])
def test_fgsm_finds_what_foolbox_finds(
    subject: Subject, digits: Any, eps: str, target: str
) -> None:
    model = foolbox.PyTorchModel(digits.module, bounds=(0, 1))
    wanted: Any = foolbox.criteria.Misclassification(torch.tensor([subject.answer]))
    if target:
        wanted = foolbox.criteria.TargetedMisclassification(torch.tensor([7]))
    step = foolbox.attacks.LinfPGD(rel_stepsize=1, steps=1, random_start=False)
    _, (expected,), _ = step(model, torch.from_numpy(subject.image), wanted, epsilons=[float(eps)])

    (found,) = examine(parse(f"fgsm@linf:{eps}{target}"), subject).checks

    assert found.finding.image is not None
    changed = to_float(found.finding.image[np.newaxis])
    np.testing.assert_allclose(changed, expected.numpy(), atol=1 / 255)


@pytest.mark.parametrize("text", ["deepfool@l2", "deepfool@linf", "minimal@l2,bisections=3"])
def test_how_far_the_boundary_is_is_said_before_rounding(
    subject: Subject, digits: Any, text: str
) -> None:
    (found,) = examine(parse(text), subject).checks

    assert found.finding.threat is not None
    norm = found.finding.threat.norm
    order = np.inf if norm is Norm.LINF else 2
    attack = {
        Norm.LINF: foolbox.attacks.LinfDeepFoolAttack,
        Norm.L2: foolbox.attacks.L2DeepFoolAttack,
    }
    model = foolbox.PyTorchModel(digits.module, bounds=(0, 1))
    image, answer = torch.from_numpy(subject.image), torch.tensor([subject.answer])
    moved, _, _ = attack[norm]()(model, image, answer, epsilons=None)
    longest = np.linalg.norm((moved.numpy() - subject.image).ravel(), ord=order)
    note = found.finding.note
    assert note is not None
    said = float(note.removeprefix("before rounding to 8 bits the distance is "))
    assert 0.5 * longest <= said <= 1.02 * longest


def test_fgsm_in_floats_alone_is_said_to_be(subject: Subject) -> None:
    """An int8 model that is not fooled beside fp32 graphs that are."""
    steady = np.eye(10, dtype=np.float32)[[subject.answer]]
    stubborn = replace(
        subject, precision=Precision.INT8, serve=lambda crops: np.repeat(steady, len(crops), axis=0)
    )

    (found,) = examine(parse("fgsm@linf:0.3"), stubborn).checks

    assert found.finding.survived
    assert found.finding.only_in_floats


@pytest.mark.parametrize(
    ("noise", "said"),
    [(0.0, "no noise, not on sigma 0.3"), (0.25, "noise of sigma 0.25, not"), (0.3, "this sigma")],
)
def test_a_certificate_says_whether_the_network_learned_under_its_noise(
    subject: Subject, noise: float, said: str
) -> None:
    checks = parse("smoothing,sigma=0.3,n0=5,n=10")

    (found,) = examine(checks, replace(subject, noise=noise)).checks

    assert found.finding.note is not None
    assert said in found.finding.note
