"""How a gradient's errors are summed up, and who the judge is."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from training.zoo.accuracy import ImageErrors, in_float64, median_ratio, spread, summarize


def test_the_median_ratio_is_taken_image_by_image() -> None:
    assert median_ratio([1.0, 2.0, 9.0], [2.0, 1.0, 3.0]) == pytest.approx(2)
    assert median_ratio([0.0, 0.0, 5.0], [0.0, 0.0, 1.0]) == pytest.approx(1)
    assert median_ratio([1.0], [0.0]) == math.inf
    assert math.isnan(median_ratio([math.nan], [1.0]))


def test_the_spread_is_what_depends_on_the_image() -> None:
    assert spread(np.array([[3.0, 4.0], [3.0, -4.0]])) == pytest.approx(0.8)


def test_cosines_are_summed_up_by_their_medians_and_the_worst() -> None:
    ours = [ImageErrors(median=1e-8, cosine_loss=loss) for loss in (1e-5, 4e-5, 2e-5)]
    theirs = [ImageErrors(median=2e-8, cosine_loss=loss) for loss in (3e-5, 5e-5, 3e-6)]

    found = summarize(ours, theirs)

    assert found.cosine_loss == 2e-5
    assert found.torch_cosine_loss == 3e-5
    assert found.worst_cosine_loss == 4e-5


def test_cosines_that_differ_by_a_rounding_do_not_differ() -> None:
    ours, theirs = ([ImageErrors(1e-8, loss)] * 24 for loss in (2e-15, 1e-15))

    assert summarize(ours, theirs).cosine_p == 1


def test_the_judge_of_hard_sigmoid_is_exact_in_float64() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Hardsigmoid()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            gated: torch.Tensor = self.gate(x)
            return gated

    image = torch.linspace(-4, 4, 9, dtype=torch.float64, requires_grad=True)
    output = in_float64(Net())(image)
    (gradient,) = torch.autograd.grad(output.sum(), image)

    np.testing.assert_allclose(
        output.detach(), np.clip(image.detach().numpy() / 6 + 0.5, 0, 1), rtol=1e-15
    )
    assert gradient[4].item() == 1 / 6
