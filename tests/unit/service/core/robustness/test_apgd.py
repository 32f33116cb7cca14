"""Auto-PGD beside an implementation of the paper's algorithm in PyTorch, one image at a time."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.robustness import apgd, pgd
from service.core.robustness.criterion import Criterion
from service.core.robustness.losses import Loss
from service.core.robustness.norms import Norm, length, random_start
from service.core.robustness.pgd import Pgd

STEPS = 30
EPS = {Norm.LINF: (0.07, 0.085, 0.1), Norm.L2: (0.8, 0.9, 1.1)}


def objective(module: torch.nn.Module, x: torch.Tensor, label: int, loss: Loss) -> torch.Tensor:
    logits: torch.Tensor = module(x[None])[0]
    if loss is Loss.CROSS_ENTROPY:
        return -torch.log_softmax(logits, 0)[label]
    ordered = logits.sort(descending=True).values
    other = torch.cat([logits[:label], logits[label + 1 :]]).max()
    return (other - logits[label]) / (ordered[0] - ordered[2])


def clipped(z: torch.Tensor, x: torch.Tensor, eps: float, norm: Norm) -> torch.Tensor:
    change = z - x
    if norm is Norm.LINF:
        change = change.clamp(-eps, eps)
    elif change.norm() > eps:
        change = change * eps / change.norm()
    return (x + change).clamp(0, 1)


def published(
    module: torch.nn.Module, x: torch.Tensor, start: torch.Tensor, label: int, *,
    eps: float, norm: Norm, loss: Loss,
) -> bool:  # fmt: skip
    """Algorithm 1 of Croce & Hein 2020, line by line; whether any point fooled."""

    def evaluate(point: torch.Tensor) -> tuple[float, torch.Tensor, bool]:
        point = point.clone().requires_grad_()
        raised = objective(module, point, label, loss)
        (gradient,) = torch.autograd.grad(raised, point)
        fooled = int(module(point.detach()[None])[0].argmax()) != label
        return float(raised), gradient, fooled

    def uphill(point: torch.Tensor, gradient: torch.Tensor, eta: float) -> torch.Tensor:
        way = gradient.sign() if norm is Norm.LINF else gradient / (gradient.norm() + 1e-12)
        return clipped(point + eta * way, x, eps, norm)

    p = [0.0, 0.22]
    while p[-1] < 1:
        p.append(p[-1] + max(p[-1] - p[-2] - 0.03, 0.06))
    checkpoints = sorted({int(np.ceil(round(each * STEPS, 9))) for each in p if each <= 1})
    points = [start]
    f0, gradient, fooled = evaluate(points[0])
    values, eta = [f0], 2 * eps
    points.append(uphill(points[0], gradient, eta))
    f1, gradient, now = evaluate(points[1])
    values.append(f1)
    fooled |= now
    best = int(f1 > f0)
    x_max, f_max = points[best], values[best]
    last_eta, last_max, last = eta, f_max, 0
    for k in range(1, STEPS):
        z = uphill(points[k], gradient, eta)
        step = points[k] + 0.75 * (z - points[k]) + 0.25 * (points[k] - points[k - 1])
        points.append(clipped(step, x, eps, norm))
        f, gradient, now = evaluate(points[-1])
        values.append(f)
        fooled |= now
        if f > f_max:
            x_max, f_max = points[-1], f
        if k + 1 in checkpoints:
            rises = sum(values[i + 1] > values[i] for i in range(last, k + 1))
            stuck = last_eta == eta and last_max == f_max
            last_eta, last_max = eta, f_max
            if rises < 0.75 * (k + 1 - last) or stuck:
                eta /= 2
                points[-2:] = [x_max, x_max]
                _, gradient, _ = evaluate(x_max)
            last = k + 1
    return fooled


SMOKE = [pytest.param(Norm.LINF, 0.085, marks=pytest.mark.smoke)]
OTHERS = [(n, eps) for n in Norm for eps in EPS[n] if (n, eps) != (Norm.LINF, 0.085)]


@pytest.mark.slow
@pytest.mark.parametrize("loss", [Loss.CROSS_ENTROPY, Loss.DLR])
@pytest.mark.parametrize(("norm", "eps"), [*SMOKE, *OTHERS])
def test_as_many_images_stand_as_against_the_papers_algorithm(
    digits: Any, norm: Norm, eps: float, loss: Loss
) -> None:
    count = 200
    images, labels = digits.images[:count], digits.labels[:count]
    radii = np.full(count, eps, dtype=np.float32)
    starts = random_start(images, norm, radii, np.random.default_rng(5))
    rows = zip(torch.from_numpy(images), torch.from_numpy(starts), labels.tolist(), strict=True)
    expected = np.array(
        [
            published(digits.module, image, start, label, eps=eps, norm=norm, loss=loss)
            for image, start, label in rows
        ]
    )

    found = apgd.attack(
        digits.network, images, Criterion(labels), radii,
        norm=norm, loss=loss, steps=STEPS, seed=5,
    )  # fmt: skip

    standing = 1 - expected.mean()
    assert 0.2 <= standing <= 0.8
    assert 1 - found.fooled.mean() == pytest.approx(standing, abs=0.01)
    assert (found.fooled == expected).mean() >= 0.99
    change = length(found.images - images, norm)
    assert change.max() <= eps + 1e-5
    answers = digits.network.logits(found.images).argmax(axis=1)
    np.testing.assert_array_equal(answers != labels, found.fooled)


@pytest.mark.parametrize("eps", EPS[Norm.LINF])
def test_as_many_images_stand_as_against_torchattacks(
    digits: Any, torchattacks: Any, eps: float
) -> None:
    images, labels = torch.from_numpy(digits.images), torch.from_numpy(digits.labels)
    radii = np.full(300, eps, dtype=np.float32)

    def theirs(seed: int) -> float:
        attack = torchattacks.APGD(digits.module, eps=eps, steps=STEPS, loss="ce", seed=seed)
        moved = attack(images, labels)
        with torch.inference_mode():
            return float((digits.module(moved).argmax(1) == labels).float().mean())

    def ours(seed: int) -> float:
        found = apgd.attack(
            digits.network, digits.images, Criterion(digits.labels), radii,
            norm=Norm.LINF, loss=Loss.CROSS_ENTROPY, steps=STEPS, seed=seed,
        )  # fmt: skip
        return float(1 - found.fooled.mean())

    expected = np.mean([theirs(seed) for seed in range(3)])
    standing = np.mean([ours(seed) for seed in range(3)])

    assert 0.2 <= expected <= 0.8
    assert standing == pytest.approx(expected, abs=0.01)


@given(seed=st.integers(0, 1000), eps=st.floats(0, 1), norm=st.sampled_from(Norm))
@settings(deadline=None, max_examples=20)
def test_every_image_stays_in_its_ball_and_an_image(
    digits: Any, assert_within: Any, seed: int, eps: float, norm: Norm
) -> None:
    images, labels = digits.images[:8], digits.labels[:8]
    found = apgd.attack(
        digits.network, images, Criterion(labels), np.full(8, eps, dtype=np.float32),
        norm=norm, loss=Loss.DLR, steps=5, seed=seed,
    ).images  # fmt: skip

    assert_within(found, images, eps, norm)


def test_it_fools_no_less_than_pgd_of_as_many_steps(digits: Any) -> None:
    eps = np.full(300, 0.08, dtype=np.float32)
    criterion = Criterion(digits.labels)
    plain = pgd.attack(digits.network, digits.images, criterion, eps, Pgd(steps=STEPS))

    found = apgd.attack(
        digits.network,
        digits.images,
        criterion,
        eps,
        norm=Norm.LINF,
        loss=Loss.CROSS_ENTROPY,
        steps=STEPS,
    )

    assert found.fooled.mean() >= plain.fooled.mean() - 0.01


def test_a_target_is_reached(digits: Any) -> None:
    targets = (digits.labels + 1) % 10
    found = apgd.attack(
        digits.network, digits.images, Criterion(digits.labels, targets),
        np.full(300, 0.3, dtype=np.float32), norm=Norm.LINF, loss=Loss.DLR, steps=STEPS,
    )  # fmt: skip

    answers = digits.network.logits(found.images).argmax(axis=1)
    np.testing.assert_array_equal(answers == targets, found.fooled)
    assert found.fooled.mean() > 0.9


def test_checkpoints_are_the_papers() -> None:
    # Of 100 steps: 22, then intervals that shrink by 3 down to 6.
    assert apgd.checkpoints(100) == (22, 41, 57, 70, 80, 87, 93, 99)
