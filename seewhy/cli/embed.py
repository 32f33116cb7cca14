"""`seewhy embed`: photos as vectors in a file, computed in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from seewhy.calls import CommonOptions
from seewhy.cli import photos
from seewhy.cli.options import (
    ModelOption,
    ProviderOption,
    RepositoryOption,
    VersionOption,
    settings,
    writable,
)
from seewhy.client import AsyncClient
from service.api.schemas.similar import Embedded


def _array(output: Path) -> Path:
    if output.suffix.lower() != ".npy":
        raise typer.BadParameter(f"{output} does not end in .npy, and a numpy array is written")
    writable(output)
    return output


def embed(
    files: photos.FilesArgument,
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="NPY", callback=_array, help="File to write."),
    ],
    model: ModelOption = None,
    version: VersionOption = None,
    repository: RepositoryOption = None,
    provider: ProviderOption = None,
) -> int:
    """Write photos as vectors: what the classifier takes of them.

    The array has a row of float32 for each photo, in their order; of a photo that fails, NaN. The
    service runs inside the command; no server is needed.
    """
    asked = CommonOptions(model=model, version=version)
    within = settings(repository=repository, provider=provider, default_model=model)

    async def embedded(client: AsyncClient, file: Path) -> Embedded:
        return await client.embed(file, **asked)

    outcomes = photos.ask(files, embedded, within)
    found = [outcome.embedding for _, outcome in photos.answered(files, outcomes)]
    if found:
        _write(output, outcomes, size=len(found[0]))
    return photos.exit_code(outcomes)


def _write(output: Path, outcomes: Sequence[Embedded | photos.Failure], size: int) -> None:
    rows: npt.NDArray[np.float32] = np.full((len(outcomes), size), np.nan, dtype=np.float32)
    for row, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, Embedded):
            row[:] = outcome.embedding
    with output.open("wb") as file:  # np.save would add .npy to a name in .NPY
        np.save(file, rows)
