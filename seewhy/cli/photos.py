"""What commands about several photos share: each is asked about, and a bad one fails alone."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel

from models.errors import ServerError
from seewhy import inprocess
from seewhy.cli.exit_codes import ExitCode
from seewhy.cli.reasons import reason
from seewhy.client import AsyncClient
from service.settings import Settings

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="Photos: JPEG, PNG, WebP, GIF, BMP or TIFF.")
]

AT_ONCE = 16

Found = TypeVar("Found", bound=BaseModel)

Failure = ServerError | OSError


def ask(
    files: Sequence[Path],
    question: Callable[[AsyncClient, Path], Awaitable[Found]],
    within: Settings,
) -> list[Found | Failure]:
    """Ask the service inside this process about each file.

    Returns:
        The answers, or why there is none, in the order of the files.

    Raises:
        BundleError: the default model cannot be used.
        ProviderUnavailable: the execution provider is not here.
    """
    return asyncio.run(_asked(files, question, within))


async def _asked(
    files: Sequence[Path],
    question: Callable[[AsyncClient, Path], Awaitable[Found]],
    within: Settings,
) -> list[Found | Failure]:
    room = asyncio.Semaphore(AT_ONCE)
    async with inprocess.service(within) as client:

        async def outcome(file: Path) -> Found | Failure:
            async with room:
                try:
                    return await question(client, file)
                except (ServerError, OSError) as error:
                    return error

        return await asyncio.gather(*map(outcome, files))


def print_json(files: Sequence[Path], outcomes: Sequence[BaseModel | Failure]) -> None:
    """One JSON object a line: the file, and its answer or its error."""
    for file, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, BaseModel):
            fields = outcome.model_dump(mode="json", exclude_none=True)
        else:
            fields = {"error": reason(outcome)}
        print(json.dumps({"file": str(file), **fields}, ensure_ascii=False))


def answered(
    files: Sequence[Path], outcomes: Sequence[Found | Failure]
) -> Iterator[tuple[Path, Found]]:
    """The files that have an answer, with it; of the others, a line each on the standard error."""
    for file, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, BaseModel):
            yield file, outcome
        else:
            print(f"seewhy: {file}: {reason(outcome)}", file=sys.stderr)


def exit_code(outcomes: Sequence[BaseModel | Failure]) -> ExitCode:
    """Whether all photos have an answer, some or none."""
    failures = sum(isinstance(outcome, Exception) for outcome in outcomes)
    if failures == len(outcomes):
        return ExitCode.FAILED
    return ExitCode.PARTLY if failures else ExitCode.DONE
