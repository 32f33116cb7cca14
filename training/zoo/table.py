"""The zoo's figures as a Markdown page."""

import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata

import torch

from training.zoo.accuracy import BATCHES
from training.zoo.check import (
    FLOAT64_GRADIENT,
    LOGITS,
    MEDIAN_RATIO,
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
    lines += ["", *EXPLANATION.strip().splitlines(), "", HEADER, "| --- |" + " ---: |" * 12]
    lines += [_line(row) for row in rows]
    lines += ["", *(f"- **{name}**: {why}" for name, why in failures.items())]
    return "\n".join(lines).rstrip() + "\n"


EXPLANATION = f"""
Weights are random, with random batch-norm scales, shifts and statistics and no zero branch;
the judge is autograd in float64 on {sum(BATCHES)} random images, in batches of
{", ".join(map(str, sorted(set(BATCHES))))}.

- **logits**: relative L2 error of float32 logits (worst batch); at most {LOGITS:.0e}.
- **gradient, float64**: relative L2 error of the input gradient when the graph is exported
  in float64: that the formulas are right; at most {FLOAT64_GRADIENT:.0e}.
- **median**: the float32 gradient's median error (of an image's elements, then over images)
  as a multiple of that of PyTorch in float32; at most {MEDIAN_RATIO:g}.
- **1 - cosine**: of the float32 gradient with the exact one, and PyTorch's in float32, the
  medians over images. A ReLU or a max pool whose inputs are equal to within rounding may
  pick either side, here as in PyTorch, and the cosine counts little else. So the limit is
  broken where ours is lower on too many images for chance (Wilcoxon's signed-rank test,
  p < {SIGNIFICANCE}).
- **worst**: our 1 - cosine on the worst image; at most {WORST_COSINE_LOSS:.0e}.
- **session**: resident memory of the gradient graph's session after its first runs.
- **forward, gradient**: milliseconds at batch 1 on ONNX Runtime, eager PyTorch in brackets.
"""

HEADER = (
    "| backbone | parameters | bundle MB | session MB | logits | gradient, float64 | median | "
    "1 - cosine | PyTorch's | worst | forward ms | gradient ms | gradient / forward |"
)


def _line(row: Row) -> str:
    cells = [
        row.name,
        f"{row.parameters / 1e6:.2f}M",
        f"{row.megabytes:.1f}",
        f"{row.session_megabytes:.0f}",
        f"{row.accuracy.logits:.1e}",
        f"{row.gradient64:.1e}",
        f"{row.accuracy.median_ratio:.2f}",
        f"{max(row.accuracy.cosine_loss, 0):.1e}",
        f"{max(row.accuracy.torch_cosine_loss, 0):.1e}",
        f"{max(row.accuracy.worst_cosine_loss, 0):.1e}",
        f"{row.forward_ms:.1f} ({row.torch_forward_ms:.1f})",
        f"{row.gradient_ms:.1f} ({row.torch_gradient_ms:.1f})",
        f"{row.gradient_ms / row.forward_ms:.1f}",
    ]
    return f"| {' | '.join(cells)} |"
