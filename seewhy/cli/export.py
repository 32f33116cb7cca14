"""`seewhy export`: a backbone in, a bundle out."""

from pathlib import Path
from typing import Annotated

import typer

from models.repository import Repository
from seewhy.cli.extras import needs
from seewhy.cli.models import RUNNING
from seewhy.cli.options import RepositoryOption, WeightsOption, settings


def export(
    *,
    backbone: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="One of the zoo, as resnet50; an unknown one has all listed."
        ),
    ],
    weights: WeightsOption = "default",
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One label a line. [default: ImageNet's]")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's. [default: the backbone's]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of random weights and golden inputs.")] = 0,
    repository: RepositoryOption = None,
) -> None:
    """Make a bundle from a backbone.

    Its graphs are checked on ONNX Runtime, then it is published as the newest version.
    """
    with needs("export"):
        from training.export import Export  # noqa: PLC0415  # serving has no torch
        from training.export import export as run  # noqa: PLC0415
    target = Repository(settings(repository=repository).repository)
    bundle = run(Export(backbone, weights, labels, name, seed), target)
    print(f"{bundle} is published in {target.root} and current; {RUNNING}")
