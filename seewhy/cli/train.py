"""`seewhy train`: labelled photos in, a bundle out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from models.errors import TrainingError
from models.repository import Repository
from seewhy.cli import tables
from seewhy.cli.models import RUNNING
from seewhy.cli.options import settings


def train(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder of photos: LABEL/…, or train/LABEL/… and val/LABEL/…; or a .csv or "
            ".parquet table with path, label and perhaps split; or WebDataset .tar shards.",
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Repository to publish in. [default: SeeWhy's own]"),
    ] = None,
    backbone: Annotated[
        str, typer.Option(metavar="NAME", help="One of the zoo; an unknown one has all listed.")
    ] = "efficientnet_lite0",
    weights: Annotated[
        str,
        typer.Option(
            metavar="FILE|default|package|none",
            help="What the backbone has learned already, as for export.",
        ),
    ] = "package",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's. [default: the data's]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
) -> None:
    """Fit a classifier to labelled photos.

    A linear classifier is fitted on a backbone's features, calibrated, judged on photos that
    were held out, and published as a bundle.
    """
    try:
        from training.report.page import summary  # noqa: PLC0415  # serving has no torch
        from training.train import REPORT, Training  # noqa: PLC0415
        from training.train import train as run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"train needs {error.name}, which is not installed: run make install-dev, or "
            "pip install 'seewhy[training]'"
        ) from error
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
