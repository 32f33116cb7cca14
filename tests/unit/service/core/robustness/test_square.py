"""The square attack beside an implementation of the paper's algorithm in PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import Unsupported
from models.manifest import Graph
from service.core.network import Network
from service.core.ports import Runner
from service.core.robustness import square
from service.core.robustness.criterion import Criterion
from service.core.robustness.norms import Norm, length

QUERIES = 150


def published(
    module: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor, eps: float
) -> torch.Tensor:
    """Algorithms 1 and 2 of Andriushchenko et al. 2020 in Linf; which images [N] were fooled."""
    generator = torch.Generator().manual_seed(0)
    count, channels, side = x.shape[:3]
    pixels = torch.arange(side)

    def signs(*shape: int) -> torch.Tensor:
        return (torch.randint(0, 2, shape, generator=generator) * 2 - 1) * eps

    def margin(points: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = module(points)
        label = torch.nn.functional.one_hot(labels, 10).bool()
        others = logits.masked_fill(label, -torch.inf)
        return torch.sub(logits[label], others.max(1).values)

    def inside(start: torch.Tensor, length: int) -> torch.Tensor:
        return (pixels >= start[:, None]) & (pixels < start[:, None] + length)

    best = (x + signs(count, channels, 1, side)).clamp(0, 1)
    least = margin(best)
    for query in range(1, QUERIES):
        passed = query / QUERIES * 10_000
        halvings = sum(passed > end for end in (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000))
        length = min(max(round(float(np.sqrt(0.8 / 2**halvings)) * side), 1), side)
        top, left = torch.randint(0, side - length + 1, (2, count), generator=generator)
        window = (inside(top, length)[:, :, None] & inside(left, length)[:, None, :])[:, None]
        coloured = (x + signs(count, channels, 1, 1)).clamp(0, 1)
        tried = torch.where(window, coloured, best)
        found = margin(tried)
        better = (found < least) & (least >= 0)
        best = torch.where(better[:, None, None, None], tried, best)
        least = torch.where(better, found, least)
    return least < 0


@pytest.mark.parametrize("eps", [0.12, 0.16])
def test_it_succeeds_as_often_as_the_papers_algorithm(digits: Any, eps: float) -> None:
    rows = np.repeat(np.arange(300), 4)  # several seeds of each, as chance counts
    images, labels = digits.images[rows], digits.labels[rows]
    with torch.inference_mode():
        expected = published(
            digits.module, torch.from_numpy(images), torch.from_numpy(labels), eps
        ).float().mean().item()  # fmt: skip

    radii = np.full(len(rows), eps, dtype=np.float32)
    found = square.attack(digits.network, images, Criterion(labels), radii, queries=QUERIES)

    assert 0.2 <= expected <= 0.8
    assert found.fooled.mean() == pytest.approx(expected, abs=0.02)
    answers = digits.network.logits(found.images).argmax(axis=1)
    np.testing.assert_array_equal(answers != labels, found.fooled)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("norm", "name", "eps"), [(Norm.LINF, "Linf", 0.16), (Norm.L2, "L2", 1.5), (Norm.L2, "L2", 2)]
)
def test_it_succeeds_as_often_as_torchattacks(
    digits: Any, torchattacks: Any, norm: Norm, name: str, eps: float
) -> None:
    images, labels = torch.from_numpy(digits.images), torch.from_numpy(digits.labels)
    fooled = 0
    # A few images at once, as it tries the same square on all of them.
    for seed, rows in enumerate(torch.arange(300).repeat(4).split(20)):
        attack = torchattacks.Square(
            digits.module, norm=name, eps=eps, n_queries=QUERIES, loss="margin", seed=seed
        )
        moved = attack(images[rows], labels[rows])
        with torch.inference_mode():
            fooled += int((digits.module(moved).argmax(1) != labels[rows]).sum())
    expected = fooled / 1200
    tried = np.repeat(np.arange(300), 4)

    found = square.attack(
        digits.network, digits.images[tried], Criterion(digits.labels[tried]),
        np.full(1200, eps, dtype=np.float32), norm=norm, queries=QUERIES,
    )  # fmt: skip

    assert 0.2 <= expected <= 0.8
    assert found.fooled.mean() == pytest.approx(expected, abs=0.02)


@given(seed=st.integers(0, 1000), eps=st.floats(0, 3), norm=st.sampled_from(Norm))
@settings(deadline=None, max_examples=20)
def test_every_image_stays_in_its_ball_and_an_image(
    digits: Any, assert_within: Any, seed: int, eps: float, norm: Norm
) -> None:
    images, labels = digits.images[:8], digits.labels[:8]
    found = square.attack(
        digits.network, images, Criterion(labels), np.full(8, eps, dtype=np.float32),
        norm=norm, queries=10, seed=seed,
    ).images  # fmt: skip

    assert_within(found, images, eps, norm)


def test_in_l2_the_whole_ball_is_used(digits: Any) -> None:
    grey = np.full((20, 3, 8, 8), 0.5, dtype=np.float32)  # nothing is clipped
    labels = digits.network.logits(grey).argmax(axis=1)

    found = square.attack(
        digits.network, grey, Criterion(labels), np.full(20, 0.3, dtype=np.float32),
        norm=Norm.L2, queries=30,
    )  # fmt: skip

    np.testing.assert_allclose(length(found.images - grey, Norm.L2), 0.3, rtol=1e-4)


def test_it_needs_no_gradients(digits: Any) -> None:
    def forward(graph: Graph) -> Runner:
        if graph is not Graph.FLOAT:
            raise Unsupported(f"no {graph.filename}")
        runner: Runner = digits.network.runner(graph)
        return runner

    found = square.attack(
        Network(forward, classes=10), digits.images[:4], Criterion(digits.labels[:4]),
        np.full(4, 0.5, dtype=np.float32), queries=20,
    )  # fmt: skip

    assert not found.threat.white_box
