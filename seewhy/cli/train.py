"""`seewhy train`: labelled photos in, a bundle out."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.manifest import Precision
from models.repository import Repository
from seewhy.cli import tables
from seewhy.cli.extras import needs_training
from seewhy.cli.models import RUNNING
from seewhy.cli.options import (
    BackboneOption,
    DataArgument,
    SeedOption,
    WeightsOption,
    settings,
)


class Strategy(StrEnum):
    """How a model is made."""

    PROBE = "probe"
    FINETUNE = "finetune"


def train(
    data: DataArgument,
    *,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Repository to publish in. [default: SeeWhy's own]"),
    ] = None,
    backbone: BackboneOption = "efficientnet_lite0",
    weights: WeightsOption = "package",
    strategy: Annotated[
        Strategy, typer.Option(help="Fit a classifier alone, or train the network too.")
    ] = Strategy.PROBE,
    depth: Annotated[
        str,
        typer.Option(
            metavar="head|N|full",
            help="What fine-tuning changes: the head, N blocks below it too, or all.",
        ),
    ] = "full",
    epochs: Annotated[int, typer.Option(min=1, help="Of fine-tuning.")] = 8,
    rate: Annotated[
        float, typer.Option(min=0, help="Peak learning rate of the head; falls towards the input.")
    ] = 1e-4,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's. [default: the data's]")
    ] = None,
    seed: SeedOption = 0,
    precision: Annotated[
        Precision, typer.Option(help="What serves: int8 is for CPUs, fp16 for GPUs.")
    ] = Precision.FP32,
    max_drop: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            min=0,
            help="Accuracy that fp16 or int8 may cost; beyond doubt more, and it is refused.",
        ),
    ] = 0.5,
) -> None:
    """Fit a classifier to labelled photos.

    A linear classifier is fitted on a backbone's features; fine-tuning starts from it, and
    counts only if it is better on photos that it has not seen. The model is calibrated,
    judged on photos that were held out, and published as a bundle.
    """
    with needs_training("train"):
        from training import depth as depths  # noqa: PLC0415  # serving has no torch
        from training.finetune import Recipe  # noqa: PLC0415
        from training.report.page import summary  # noqa: PLC0415
        from training.train import REPORT, Training  # noqa: PLC0415
        from training.train import train as run  # noqa: PLC0415
    target = Repository(settings(repository=output).repository)
    tuned = Recipe(depths.parse(depth), epochs, rate) if strategy is Strategy.FINETUNE else None
    trained = run(
        Training(data, backbone, weights, tuned, name, seed, precision, max_drop),
        target,
        lambda line: print(line, file=sys.stderr),
    )
    table = tables.headed("class", "precision", "recall", "held-out images")
    for found in trained.test.calibrated.classes:
        table.add_row(
            found.name, f"{found.precision:.3f}", f"{found.recall:.3f}", f"{found.support}"
        )
    tables.show(table)
    print(summary(trained.test))
    print(f"{trained.bundle.directory / REPORT} tells more.")
    print(f"{trained.bundle} is published in {target.root} and current; {RUNNING}")
