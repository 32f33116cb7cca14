"""`seewhy log`: what a service remembers of its answers."""

from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli.epilog import epilog
from seewhy.cli.extras import needs
from seewhy.cli.options import writable


def log_group() -> typer.Typer:
    """The commands under `seewhy log`."""
    example = epilog("seewhy log export predictions.sqlite -o new.parquet --images photos")
    group = typer.Typer(help="Read the prediction log of a service.", epilog=example)
    group.callback()(_group)
    group.command(epilog=example)(export)
    return group


def _group() -> None:
    """Read the prediction log of a service."""


def export(
    log: Annotated[
        Path, typer.Argument(metavar="LOG", help="The file that SEEWHY_PREDICTION_LOG names.")
    ],
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", callback=writable, help="A .parquet file."),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the images that were kept and labelled here, and only their rows to FILE: "
            "seewhy train FILE learns from them.",
        ),
    ] = None,
) -> None:
    """Write the prediction log as Parquet.

    The service may go on meanwhile.
    """
    with needs("log export", "scoring"):
        from service.predictions import export as exports  # noqa: PLC0415  # serving has no pyarrow
    rows = exports.export(log, output, images)
    print(f"{rows:,} rows are in {output}")
