"""`seewhy train`: labelled photos in, a bundle out."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.repository import Repository
from seewhy.cli import durations, tables
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

    AUTO = "auto"
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
        Strategy,
        typer.Option(
            help="Fit a classifier alone, or train the network too; auto chooses by the photos."
        ),
    ] = Strategy.AUTO,
    budget: Annotated[
        str, typer.Option(metavar="90s|10m|2h", help="Time that auto may fill.")
    ] = "10m",
    explain_choice: Annotated[
        bool, typer.Option("--explain-choice", help="Print the table that auto chooses from.")
    ] = False,
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
) -> None:
    """Fit a classifier to labelled photos.

    A linear classifier is fitted on a backbone's features; fine-tuning starts from it, and
    counts only if it is better on photos that it has not seen. Whether it is tried depends on
    how many photos there are and how new they are to the network. The model is calibrated,
    judged on photos that were held out, and published as a bundle.
    """
    if explain_choice and strategy is not Strategy.AUTO:
        raise typer.BadParameter("--explain-choice needs --strategy auto")
    seconds = durations.seconds(budget)
    with needs_training("train"):
        from seewhy.cli import advice  # noqa: PLC0415  # serving has no torch
        from training import depth as depths  # noqa: PLC0415
        from training.advisor import Auto  # noqa: PLC0415
        from training.finetune import Recipe  # noqa: PLC0415
        from training.report.page import summary  # noqa: PLC0415
        from training.train import REPORT, Training  # noqa: PLC0415
        from training.train import train as run  # noqa: PLC0415
    target = Repository(settings(repository=output).repository)
    recipe = {
        Strategy.AUTO: Auto(seconds),
        Strategy.PROBE: None,
        Strategy.FINETUNE: Recipe(depth=depths.parse(depth), epochs=epochs, rate=rate),
    }[strategy]
    trained = run(
        Training(data, backbone, weights, recipe, name, seed),
        target,
        lambda line: print(line, file=sys.stderr),
    )
    if explain_choice and trained.advice is not None:
        advice.explain(trained.advice)
    table = tables.headed("class", "precision", "recall", "held-out images")
    for found in trained.test.calibrated.classes:
        table.add_row(
            found.name, f"{found.precision:.3f}", f"{found.recall:.3f}", f"{found.support}"
        )
    tables.show(table)
    print(summary(trained.test))
    print(f"{trained.bundle.directory / REPORT} tells more.")
    print(f"{trained.bundle} is published in {target.root} and current; {RUNNING}")
