"""`seewhy explain`: a heat map over a photo, computed in this process."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from models.manifest import MethodName
from seewhy import inprocess
from seewhy.calls import ExplainOptions
from seewhy.cli.options import (
    ModelOption,
    ProviderOption,
    RepositoryOption,
    VersionOption,
    settings,
    writable,
)
from service.settings import Settings


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A photo.")],
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PNG", callback=writable, help="File to write."),
    ],
    method: Annotated[
        MethodName | None,
        typer.Option(help="Of the saliency. [default: the model's]"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS", help="Index or label of what to explain. [default: the top class]"
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Why the target and not this class?"),
    ] = None,
    model: ModelOption = None,
    version: VersionOption = None,
    repository: RepositoryOption = None,
    provider: ProviderOption = None,
) -> None:
    """Draw a heat map over a photo.

    It shows where the evidence for a class lies. The service runs inside the command; no
    server is needed.
    """
    asked = ExplainOptions(
        method=method, target=target, against=against, model=model, version=version
    )
    output.write_bytes(
        asyncio.run(_heat_map(file, asked, settings(repository=repository, provider=provider)))
    )


async def _heat_map(file: Path, asked: ExplainOptions, within: Settings) -> bytes:
    async with inprocess.service(within) as client:
        return await client.heat_map(file, **asked)
