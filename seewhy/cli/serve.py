"""`seewhy serve`: the service on a port."""

from typing import Annotated

import typer

from seewhy.cli.options import ProviderOption, RepositoryOption, settings
from service import logs
from service.runtime.tuning import Tuning
from service.server import serve as run


def serve(
    *,
    repository: RepositoryOption = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to listen. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port; 0 takes a free one. [default: 8000]")
    ] = None,
    provider: ProviderOption = None,
    tune: Annotated[
        Tuning | None,
        typer.Option(help="How long to measure what is quickest here. [default: quick]"),
    ] = None,
) -> None:
    """Serve models over HTTP until interrupted."""
    chosen = settings(repository=repository, host=host, port=port, provider=provider, tune=tune)
    logs.configure(chosen.log_format)
    run(chosen)
