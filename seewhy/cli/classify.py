"""`seewhy classify`: what photos show, computed in this process."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from models.errors import ServerError
from seewhy import inprocess
from seewhy.calls import ClassifyOptions
from seewhy.cli import tables
from seewhy.cli.exit_codes import ExitCode
from seewhy.cli.options import (
    ModelOption,
    ProviderOption,
    RepositoryOption,
    VersionOption,
    settings,
)
from seewhy.cli.reasons import reason
from service.api.schemas.classify import Classification
from service.core.trust import SetRule
from service.settings import Settings

AT_ONCE = 16

Outcome = Classification | ServerError | OSError


def classify(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Photos: JPEG, PNG, WebP, GIF, BMP or TIFF."),
    ],
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
    outcomes = asyncio.run(
        _classified(
            files, asked, settings(repository=repository, provider=provider, default_model=model)
        )
    )
    show = _print_json if as_json else _print_table
    show(files, outcomes)
    failures = sum(isinstance(outcome, Exception) for outcome in outcomes)
    if failures == len(files):
        return ExitCode.FAILED
    return ExitCode.PARTLY if failures else ExitCode.DONE


async def _classified(
    files: Sequence[Path], asked: ClassifyOptions, within: Settings
) -> list[Outcome]:
    """Each file's classification, or why it has none, in order."""
    room = asyncio.Semaphore(AT_ONCE)
    async with inprocess.service(within) as client:

        async def outcome(file: Path) -> Outcome:
            async with room:
                try:
                    return await client.classify(file, **asked)
                except (ServerError, OSError) as error:
                    return error

        return await asyncio.gather(*map(outcome, files))


def _print_json(files: Sequence[Path], outcomes: Sequence[Outcome]) -> None:
    for file, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, Classification):
            fields = outcome.model_dump(mode="json", exclude_none=True)
        else:
            fields = {"error": reason(outcome)}
        print(json.dumps({"file": str(file), **fields}, ensure_ascii=False))


def _print_table(files: Sequence[Path], outcomes: Sequence[Outcome]) -> None:
    table = tables.headed("file", "class", "probability")
    for file, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, Classification):
            for rank, found in enumerate(outcome.predictions):
                name = "" if rank else str(file)
                table.add_row(name, found.label, f"{found.probability:.3f}")
            for line in _trust(outcome):
                table.add_row("", line, "")
            table.add_section()
        else:
            print(f"seewhy: {file}: {reason(outcome)}", file=sys.stderr)
    if table.row_count:
        tables.show(table)


def _trust(found: Classification) -> Iterator[str]:
    """What is known of an answer, in lines."""
    if found.prediction_set is not None:
        members = ", ".join(member.label for member in found.prediction_set) or "none"
        yield f"the {found.coverage:.0%} set: {members}"
    if found.decision is not None:
        yield f"{found.decision}: {found.reason}"
