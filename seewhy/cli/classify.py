"""`seewhy classify`: what photos show, computed in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from seewhy.calls import ClassifyOptions
from seewhy.cli import photos, tables
from seewhy.cli.options import (
    ModelOption,
    ProviderOption,
    RepositoryOption,
    VersionOption,
    settings,
)
from seewhy.client import AsyncClient
from service.api.schemas.classify import Classification
from service.core.trust import SetRule


def classify(
    files: photos.FilesArgument,
    *,
    top_k: Annotated[int, typer.Option(metavar="N", min=1, help="How many classes to list.")] = 5,
    coverage: Annotated[
        float | None,
        typer.Option(metavar="0.8|0.9|0.95", help="How often sets shall hold the true class."),
    ] = None,
    sets: Annotated[SetRule | None, typer.Option(help="How sets are made. [default: raps]")] = None,
    min_probability: Annotated[
        float | None,
        typer.Option(metavar="P", help="The least to accept. [default: the model's own]"),
    ] = None,
    max_ood_percentile: Annotated[
        float | None,
        typer.Option(metavar="0-100", help="The most unlike to accept. [default: the model's own]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    model: ModelOption = None,
    version: VersionOption = None,
    repository: RepositoryOption = None,
    provider: ProviderOption = None,
) -> int:
    """Say what photos show, and how far to trust it.

    The service runs inside the command; no server is needed.
    """
    asked = ClassifyOptions(
        top_k=top_k, coverage=coverage, sets=None if sets is None else sets.value,
        min_probability=min_probability, max_ood_percentile=max_ood_percentile,
        model=model, version=version,
    )  # fmt: skip
    within = settings(repository=repository, provider=provider, default_model=model)

    async def classified(client: AsyncClient, file: Path) -> Classification:
        return await client.classify(file, **asked)

    outcomes = photos.ask(files, classified, within)
    show = photos.print_json if as_json else _print_table
    show(files, outcomes)
    return photos.exit_code(outcomes)


def _print_table(
    files: Sequence[Path], outcomes: Sequence[Classification | photos.Failure]
) -> None:
    table = tables.headed("file", "class", "probability")
    for file, outcome in photos.answered(files, outcomes):
        for rank, found in enumerate(outcome.predictions):
            name = "" if rank else str(file)
            table.add_row(name, found.label, f"{found.probability:.3f}")
        for line in _trust(outcome):
            table.add_row("", line, "")
        table.add_section()
    if table.row_count:
        tables.show(table)


def _trust(found: Classification) -> Iterator[str]:
    """What is known of an answer, in lines."""
    if found.prediction_set is not None:
        members = ", ".join(member.label for member in found.prediction_set)
        yield f"the {found.coverage:.0%} set: {members or 'empty, surer answers suffice'}"
    if found.decision is not None:
        yield f"{found.decision}: {found.reason}"
