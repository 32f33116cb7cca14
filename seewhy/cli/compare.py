"""`seewhy compare`: which backbone suits some photos."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from seewhy.cli import tables
from seewhy.cli.extras import needs
from seewhy.cli.options import DataArgument, SeedOption, writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.selection import Measured


def compare(
    data: DataArgument,
    *,
    backbone: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="One of the zoo; give the option several times."),
    ],
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|default|package|none",
            help="As for train; one for each backbone, in their order, or one for all. "
            "[default: package]",
        ),
    ] = None,
    depth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="head|N|full",
            help="Train each backbone to this depth too, which takes minutes; give the option "
            "several times.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="HTML", callback=writable, help="Page with charts to write."
        ),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Compare backbones on labelled photos.

    What each gets right and what it costs: a linear classifier is cross-validated on the
    features of each backbone, and of its lower layers too. With --depth, each is trained as well,
    and stands beside its linear classifier on the photos that validate it. Photos that are set
    apart for testing are not looked at.
    """
    given = weights or ["package"]
    if len(given) not in {1, len(backbone)}:
        raise typer.BadParameter(
            f"{len(backbone)} backbones need as many --weights, or one for all, not {len(given)}"
        )
    with needs("compare"):
        from training.report import comparison  # noqa: PLC0415  # serving has no torch
        from training.selection import Candidate  # noqa: PLC0415
        from training.selection import compare as run  # noqa: PLC0415
    paired = given if len(given) == len(backbone) else given * len(backbone)
    table = tables.headed(
        "backbone", "right", "multiply-adds", "parameters", "distance", "by depth, %"
    )
    found = []
    candidates = list(map(Candidate, backbone, paired))
    say = partial(print, file=sys.stderr)
    for each in run(data, candidates, depth or [], seed=seed, say=say):
        say(f"{each.candidate}: {each.accuracy:.1%}")
        found.append(each)
        table.add_row(
            str(each.candidate),
            f"{each.accuracy:.1%}",
            f"{each.multiply_adds / 1e6:.1f} M",
            f"{each.parameters / 1e6:.2f} M",
            "not known" if each.shift is None else f"{each.shift:.2f}",
            " ".join(f"{100 * layer.accuracy:.0f}" for layer in each.layers),
        )
    tables.show(table)
    if depth:
        tables.show(_trained(found))
    if output is not None:
        output.write_text(comparison.render(found, title=data.resolve().name), encoding="utf-8")
        print(f"{output} has the charts.")


def _trained(found: "Sequence[Measured]") -> Table:
    """What training adds, a row for each backbone and depth."""
    table = tables.headed("backbone", "depth", "photos", "right", "linear classifier")
    for measured in found:
        for each in measured.trained:
            table.add_row(
                str(measured.candidate),
                each.depth,
                str(each.images),
                f"{each.score.accuracy:.1%}",
                f"{each.probe.accuracy:.1%}",
            )
    return table
