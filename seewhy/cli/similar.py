"""`seewhy similar`: the training images that photos are most like, found in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from seewhy.calls import SimilarOptions
from seewhy.cli import photos, tables
from seewhy.cli.options import (
    ModelOption,
    ProviderOption,
    RepositoryOption,
    VersionOption,
    settings,
)
from seewhy.client import AsyncClient
from service.api.schemas.similar import MOST_NEIGHBOURS, Similar


def similar(
    files: photos.FilesArgument,
    *,
    top_k: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=MOST_NEIGHBOURS, help="How many training images to list."
        ),
    ] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    model: ModelOption = None,
    version: VersionOption = None,
    repository: RepositoryOption = None,
    provider: ProviderOption = None,
) -> int:
    """List the training images that photos are most like.

    A model that seewhy train made knows them. The service runs inside the command; no server is
    needed.
    """
    asked = SimilarOptions(top_k=top_k, model=model, version=version)
    within = settings(repository=repository, provider=provider, default_model=model)

    async def compared(client: AsyncClient, file: Path) -> Similar:
        return await client.similar(file, **asked)

    outcomes = photos.ask(files, compared, within)
    show = photos.print_json if as_json else _print_table
    show(files, outcomes)
    return photos.exit_code(outcomes)


def _print_table(files: Sequence[Path], outcomes: Sequence[Similar | photos.Failure]) -> None:
    table = tables.headed("file", "class", "training image", "distance")
    for file, outcome in photos.answered(files, outcomes):
        for rank, found in enumerate(outcome.neighbours):
            name = "" if rank else str(file)
            table.add_row(name, found.label, found.id, f"{found.distance:.3f}")
        table.add_section()
    if table.row_count:
        tables.show(table)
