"""Options that several commands share, and the settings that they lead to."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from models.errors import InvalidRequest
from service.core.robustness import evaluation
from service.runtime.providers import Provider
from service.settings import Settings

RepositoryOption = Annotated[
    Path | None,
    typer.Option("--repository", metavar="DIR", help="Folder of bundles. [default: SeeWhy's own]"),
]
ProviderOption = Annotated[
    Provider | None, typer.Option("--provider", help="What computes. [default: auto]")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="The model, if not the default one.")
]
VersionOption = Annotated[
    int | None,
    typer.Option("--version", metavar="N", min=1, help="Its version, if not the current one."),
]
DataArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Folder of photos: LABEL/…, or train/LABEL/… and val/LABEL/…; or a .csv or "
        ".parquet table with path, label and perhaps split; or WebDataset .tar shards.",
    ),
]
BackboneOption = Annotated[
    str,
    typer.Option(
        "--backbone", metavar="NAME", help="One of the zoo; an unknown one has all listed."
    ),
]
WeightsOption = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="FILE|default|package|none",
        help="A .pth or .safetensors file; default: those of torchvision or timm; package: "
        "those that a Python package ships; none: random ones.",
    ),
]


def _requirements(texts: list[str] | None) -> list[str] | None:
    for text in texts or []:
        try:
            evaluation.requirement(text)
        except InvalidRequest as error:
            raise typer.BadParameter(str(error)) from error
    return texts


RobustOption = Annotated[
    list[str] | None,
    typer.Option(
        "--min-robust-accuracy",
        metavar="ATTACK=SHARE",
        callback=_requirements,
        help="Least accuracy that an attack may leave, as pgd@linf:1/255=0.3; else the bundle "
        "is refused. May be given several times.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of every random choice.")]


def writable(output: Path | None) -> Path | None:
    """Refuse a file that cannot be written before anything is computed.

    Raises:
        typer.BadParameter: it is a folder, is in none, or may not be written.
    """
    if output is None:
        return None
    folder = output.parent
    if output.is_dir():
        raise typer.BadParameter(f"{output} is a folder")
    if not folder.is_dir():
        raise typer.BadParameter(f"there is no folder {folder}")
    if not os.access(output if output.exists() else folder, os.W_OK):
        raise typer.BadParameter(f"{output} may not be written")
    return output


def settings(**given: Any) -> Settings:
    """The service's settings: what was given, else the environment, else the defaults.

    Raises:
        typer.BadParameter: a value is out of its range.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problem = error.errors()[0]
        setting = "_".join(str(part) for part in problem["loc"])
        where = f"{setting} (SEEWHY_{setting.upper()}): " if setting else ""
        raise typer.BadParameter(f"{where}{problem['msg']}") from error
