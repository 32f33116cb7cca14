"""`seewhy train`: labelled photos in, a bundle out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

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


def train(
    data: DataArgument,
    *,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Repository to publish in. [default: SeeWhy's own]"),
    ] = None,
    backbone: BackboneOption = "efficientnet_lite0",
    weights: WeightsOption = "package",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's. [default: the data's]")
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Fit a classifier to labelled photos.

    A linear classifier is fitted on a backbone's features, calibrated, judged on photos that
    were held out, and published as a bundle.
    """
    with needs_training("train"):
        from training.report.page import summary  # noqa: PLC0415  # serving has no torch
        from training.train import REPORT, Training  # noqa: PLC0415
        from training.train import train as run  # noqa: PLC0415
    target = Repository(settings(repository=output).repository)
    trained = run(
        Training(data, backbone, weights, name, seed),
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
