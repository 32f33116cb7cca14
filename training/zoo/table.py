"""The zoo's figures as a Markdown page."""

import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata

import torch

from models.manifest import Graph
from training.zoo.accuracy import BATCHES
from training.zoo.check import (
    FLOAT64_BATCHES,
    FLOAT64_GRADIENT,
    LOGITS,
    MEDIAN_RATIO,
    REPEATS,
    SIGNIFICANCE,
    WORST_COSINE_LOSS,
    Row,
)


def table(rows: Iterable[Row], failures: Mapping[str, str]) -> str:
    """The table as Markdown, with its conditions."""
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("torch", "torchvision", "timm", "onnx")
    )
    conditions = (
        f"Written by `make zoo-check` on {datetime.now(UTC).date()}: {platform.machine()}, "
        f"{torch.get_num_threads()} threads, ONNX Runtime's CPU provider; "
        f"Python {platform.python_version()}, {versions}."
    )
    lines = ["# The zoo, checked", "", conditions]
    lines += ["", *EXPLANATION.strip().splitlines(), "", _cells(COLUMNS)]
    lines += [_cells(["---", *["---:"] * (len(COLUMNS) - 1)]), *map(_line, rows)]
    lines += ["", *(f"- **{name}**: {why}" for name, why in failures.items())]
    return "\n".join(lines).rstrip() + "\n"


EXPLANATION = f"""
Weights are random, with random batch-norm scales, shifts and statistics and no zero branch;
the judge is autograd in float64 on {sum(BATCHES)} random images, in batches of
{", ".join(map(str, sorted(set(BATCHES))))}.

- **logits**: relative L2 error of float32 logits, the worst batch of any of the four graphs;
  at most {LOGITS:.0e}.
- **spread**: how far the images' logits are from their mean, relative to the logits: what of
  them depends on the image.
- **gradient, float64**: relative L2 error when the graphs are exported in float64, of the
  gradient at the input or at the explained layer, whichever is larger, in batches of
  {" and ".join(map(str, FLOAT64_BATCHES))}: that the formulas are right. ONNX Runtime lacks most
  float64 kernels, so the reference evaluator of the onnx package runs them, with convolutions
  and pools by PyTorch; at most {FLOAT64_GRADIENT:.0e}.
- **median**: the median error of an image's float32 input gradient as a multiple of that of
  PyTorch in float32 on the same image, the median over images; at most {MEDIAN_RATIO:g}.
- **1 - cosine**: of the float32 gradient with the exact one, and PyTorch's in float32, the
  medians over images. A ReLU or a max pool whose inputs are equal to within rounding may
  pick either side, here as in PyTorch, and the cosine counts little else: on so few images
  PyTorch's median is the smaller in some rows, ours in others.
  [More images](../benchmarks/results/gradient_cosine.md) of such rows show no difference.
- **p**: of ours being lower on so many images, and by so much, if chance decides (Wilcoxon's
  signed-rank test); at least {SIGNIFICANCE}.
- **worst**: our 1 - cosine on the worst image; at most {WORST_COSINE_LOSS:.0e}.
- **cam**: *median*, *p* and *worst* of the gradient at the explained layer, of `cam.onnx`, under
  the same limits.
- **session**: resident memory of the sessions of `model`, `float`, `cam` and `gradient` after
  their first runs.
- **forward, gradient**: milliseconds of these two at batch 1 on ONNX Runtime, eager PyTorch in
  brackets; the least of {REPEATS} runs, taken in turns, so that other work on the machine
  lengthens both.
"""

COLUMNS = (
    "backbone", "parameters", "bundle MB", "session MB", "logits", "spread",
    "gradient, float64", "median", "1 - cosine", "PyTorch's", "p", "worst", "cam",
    "forward ms", "gradient ms", "gradient / forward",
)  # fmt: skip


def _line(row: Row) -> str:
    gradient = row.accuracy.gradients[Graph.GRADIENT]
    memory = (row.session_megabytes.get(graph) for graph in Graph)
    cells = [
        row.name,
        f"{row.parameters / 1e6:.2f}M",
        f"{row.megabytes:.1f}",
        ", ".join("-" if taken is None else f"{taken:.0f}" for taken in memory),
        f"{row.accuracy.logits:.1e}",
        f"{row.accuracy.spread:.2f}",
        f"{row.gradient64:.1e}",
        f"{gradient.median_ratio:.2f}",
        f"{max(gradient.cosine_loss, 0):.1e}",
        f"{max(gradient.torch_cosine_loss, 0):.1e}",
        f"{gradient.cosine_p:.2g}",
        f"{max(gradient.worst_cosine_loss, 0):.1e}",
        _at_layer(row),
        f"{row.forward_ms:.1f} ({row.torch_forward_ms:.1f})",
        f"{row.gradient_ms:.1f} ({row.torch_gradient_ms:.1f})",
        f"{row.gradient_ms / row.forward_ms:.1f}",
    ]
    return _cells(cells)


def _at_layer(row: Row) -> str:
    found = row.accuracy.gradients.get(Graph.CAM)
    if found is None:
        return "-"
    worst = max(found.worst_cosine_loss, 0)
    return f"{found.median_ratio:.2f}, {found.cosine_p:.2g}, {worst:.1e}"


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
