"""`seewhy explain`: a heat map over a photo, computed in this process."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from models.manifest import MethodName
from seewhy import inprocess
from seewhy.calls import ExplainOptions, Picture
from seewhy.cli.options import (
    ModelOption,
    ProviderOption,
    RepositoryOption,
    VersionOption,
    settings,
    writable,
)
from service.api.schemas.explain import ExplanationBody
from service.core.heatmap import View
from service.core.palettes import PaletteName
from service.core.saliency.parameters import Parameters
from service.settings import Settings


def _picture(output: Path) -> Path:
    if output.suffix.lower() != ".png":
        raise typer.BadParameter(f"{output} does not end in .png, and a PNG is what is written")
    writable(output)
    return output


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A photo.")],
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PNG", callback=_picture, help="File to write."),
    ],
    method: Annotated[
        MethodName | None,
        typer.Option(help="Of the saliency. [default: the model's]"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS", help="Index or label of what to explain, or top1, the default."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Why the target and not this class?"),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NAME=VALUE",
            help="Of the method, as samples=16. May be given several times.",
        ),
    ] = None,
    view: Annotated[
        View, typer.Option(help="The map over the photo, alone, or beside the photo.")
    ] = "overlay",
    colours: Annotated[PaletteName, typer.Option(help="The palette.")] = "ember",
    legend: Annotated[bool, typer.Option("--legend", help="Add what the colours mean.")] = False,
    quality: Annotated[
        bool, typer.Option("--quality", help="Print how faithful the map is: 67 passes more.")
    ] = False,
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
        method=method, target=target, against=against, view=view, colours=colours, legend=legend,
        model=model, version=version,
    )  # fmt: skip
    parameters = _parameters(parameter or [])
    within = settings(repository=repository, provider=provider, default_model=model)
    picture, measured = asyncio.run(
        _explained(file, {**asked, **parameters}, within, quality=quality)
    )
    output.write_bytes(picture.png)
    if picture.note is not None:
        print(picture.note)
    if measured is not None:
        _show(measured)


async def _explained(
    file: Path, asked: dict[str, Any], within: Settings, *, quality: bool
) -> tuple[Picture, ExplanationBody | None]:
    """The picture; and with `quality` the numbers, which know it."""
    async with inprocess.service(within) as client:
        picture = await client.heat_map(file, **asked)
        if not quality:
            return picture, None
        answer = await client.explain(file, quality=True, map="base64", **asked)
        return picture, answer.explanation


def _show(explanation: ExplanationBody) -> None:
    if explanation.completeness_gap is not None:
        print(f"completeness gap {explanation.completeness_gap:.1%}")
    found = explanation.quality
    if found is not None:
        print(
            f"insertion {found.insertion:.3f} (more is better), deletion {found.deletion:.3f} "
            f"(less is better); the photo times its map: "
            + ("more probable" if found.increase else f"{found.drop:.1%} less probable")
        )


def _parameters(texts: list[str]) -> dict[str, Any]:
    """The methods' parameters that NAME=VALUE texts set."""
    given = {name: value for name, _, value in (text.partition("=") for text in texts)}
    possible = Parameters.model_fields
    for name in given:
        if name not in possible:
            raise typer.BadParameter(f"no parameter {name!r}; there are {', '.join(possible)}")
    try:
        return Parameters.model_validate(given).model_dump(include=set(given))
    except ValidationError as error:
        problem = error.errors()[0]
        raise typer.BadParameter(f"{problem['loc'][0]}: {problem['msg']}") from error
