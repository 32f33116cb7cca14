"""The zoo's check: what it lets pass, what it names, and its table."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from training.backbones import ZOO
from training.randomize import randomize
from training.zoo.accuracy import Accuracy, ImageErrors, in_float64, median_ratio, summarize
from training.zoo.check import Row
from training.zoo.table import table

GOOD = Row(
    name="some_net",
    parameters=1_000_000,
    megabytes=4.1,
    model_megabytes=6.0,
    gradient_megabytes=9.0,
    accuracy=Accuracy(
        logits=2e-7,
        spread=0.3,
        median_ratio=0.9,
        cosine_loss=1e-6,
        torch_cosine_loss=1e-6,
        worst_cosine_loss=1e-5,
        cosine_p=0.5,
    ),
    gradient64=3e-15,
    forward_ms=2.0,
    torch_forward_ms=3.0,
    gradient_ms=5.0,
    torch_gradient_ms=7.0,
)


LOGITS = np.array([[3.0, 4.0], [3.0, -4.0]])


def with_accuracy(**changes: Any) -> Row:
    return replace(GOOD, accuracy=replace(GOOD.accuracy, **changes))


def image_errors(size: float) -> ImageErrors:
    return ImageErrors(median=size * 1e-8, cosine_loss=size * 1e-5)


def test_a_row_within_all_limits_has_no_fault() -> None:
    assert GOOD.faults == []


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (with_accuracy(logits=2e-5), "logits"),
        (with_accuracy(logits=math.nan), "logits"),
        (replace(GOOD, gradient64=2e-9), "float64 gradient"),
        (with_accuracy(median_ratio=2.1), "median"),
        (with_accuracy(median_ratio=math.nan), "median"),
        (with_accuracy(cosine_p=1e-4), "cosine"),
        (with_accuracy(cosine_p=math.nan), "cosine"),
        (with_accuracy(worst_cosine_loss=2e-3), "at worst"),
    ],
)
def test_each_limit_that_is_broken_is_named(row: Row, named: str) -> None:
    (fault,) = row.faults

    assert named in fault


def test_ties_that_fall_at_random_are_no_fault() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = (
        [image_errors(size) for size in 10 ** generator.normal(scale=0.2, size=12)]
        for _ in range(2)
    )
    ours[0] = image_errors(50)

    assert replace(GOOD, accuracy=summarize(1e-7, LOGITS, ours, theirs)).faults == []


def test_the_median_ratio_is_taken_image_by_image() -> None:
    assert median_ratio([1.0, 2.0, 9.0], [2.0, 1.0, 3.0]) == pytest.approx(2)
    assert median_ratio([0.0, 0.0, 5.0], [0.0, 0.0, 1.0]) == pytest.approx(1)
    assert median_ratio([1.0], [0.0]) == math.inf
    assert math.isnan(median_ratio([math.nan], [1.0]))


def test_the_spread_is_what_depends_on_the_image() -> None:
    found = summarize(1e-7, LOGITS, [image_errors(1)] * 2, [image_errors(2)] * 2)

    assert found.spread == pytest.approx(0.8)


def test_errors_that_are_always_larger_are_a_fault() -> None:
    sizes = np.linspace(3, 4, 12)

    found = summarize(1e-7, LOGITS, list(map(image_errors, sizes)), [image_errors(1)] * 12)

    assert found.median_ratio == pytest.approx(3.5)
    assert [fault.partition(":")[0] for fault in replace(GOOD, accuracy=found).faults] == [
        "median error",
        "1 - cosine",
    ]


def test_the_table_has_a_line_for_each_row_and_says_what_failed() -> None:
    page = table([GOOD, replace(GOOD, name="other_net")], {"other_net": "logits 1e-3 > 1e-5"})

    assert re.search(r"^\| some_net \| 1\.00M \| .* \| 2\.5 \|$", page, re.MULTILINE)
    assert "| other_net |" in page
    assert "**other_net**: logits 1e-3 > 1e-5" in page


def test_random_weights_leave_no_branch_and_no_norm_unseen() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
    for parameter in network[3].parameters():
        nn.init.zeros_(parameter)
    norm = network[1]

    randomize(network.eval(), torch.rand(4, 3, 16, 16))

    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert tensor.unique().numel() > 1, name
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert (norm.running_var > 0).all()


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


def test_the_committed_table_has_every_backbone_of_the_zoo() -> None:
    page = (Path(__file__).parents[3] / "docs" / "zoo.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\w+) \| [\d.]+M", page, re.MULTILINE)

    assert sorted(listed) == sorted(backbone.name for backbone in ZOO)


@pytest.mark.slow
@pytest.mark.smoke
def test_the_command_checks_backbones_and_writes_the_table(tmp_path: Path) -> None:
    page = tmp_path / "zoo.md"

    done = subprocess.run(
        [sys.executable, "-m", "training.zoo", "lenet5", "squeezenet1_1", "--output", str(page)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["name"] for row in rows] == ["lenet5", "squeezenet1_1"]
    assert rows[1]["parameters"] == 1_235_496  # the authors' 1.24 million
    assert "| squeezenet1_1 |" in page.read_text(encoding="utf-8")
