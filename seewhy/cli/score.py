"""`seewhy score`: many images in, a folder of rows out."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from seewhy.cli import tables
from seewhy.cli.exit_codes import ExitCode
from seewhy.cli.extras import needs
from seewhy.cli.options import (
    ModelOption,
    ProviderOption,
    RepositoryOption,
    VersionOption,
    settings,
)
from service.core.robustness.levels import Level

if TYPE_CHECKING:
    from service.core.scoring.summary import Summary

CLASSES_SHOWN = 10


class Engine(StrEnum):
    """What scores."""

    LOCAL = "local"
    RAY = "ray"


def score(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Folder or glob of images; .txt list of paths; .csv or .parquet table; or "
            "WebDataset .tar shards. A path, or a URL: s3://, gs://, az://.",
        ),
    ],
    *,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder or URL of the results; the same command goes on where it was stopped.",
        ),
    ],
    column: Annotated[
        str, typer.Option(metavar="NAME", help="A table's column of paths or encoded images.")
    ] = "path",
    top_k: Annotated[int, typer.Option(metavar="N", min=1, help="How many classes to list.")] = 5,
    embedding: Annotated[bool, typer.Option("--embedding", help="Write embeddings too.")] = False,
    box: Annotated[
        bool, typer.Option("--box", help="Write where the evidence for the answer lies.")
    ] = False,
    robustness: Annotated[
        Level | None,
        typer.Option(help="Write whether the answer survives these checks."),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Write JSON lines instead of Parquet.")
    ] = False,
    part_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows in a file of results.")
    ] = 1000,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Score again what has failed.")
    ] = False,
    engine: Annotated[Engine, typer.Option(help="This machine, or a Ray cluster.")] = Engine.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The cluster's head; auto for the one that this machine is in. Without it, and "
            "without RAY_ADDRESS, this machine alone.",
        ),
    ] = None,
    ray_actors: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Sessions; by default, all that there is room for."),
    ] = None,
    ray_cpus: Annotated[int, typer.Option(metavar="N", min=1, help="Cores of a session.")] = 1,
    ray_gpus: Annotated[float, typer.Option(metavar="N", min=0, help="GPUs of a session.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    model: ModelOption = None,
    version: VersionOption = None,
    repository: RepositoryOption = None,
    provider: ProviderOption = None,
) -> int:
    """Score many images.

    Every image becomes one row, a bad one with its error.
    """  # fmt: skip
    with needs("score", "scoring"):
        from seewhy.cli import progress  # noqa: PLC0415  # serving has no pyarrow
        from service.core.scoring.cluster import Cluster  # noqa: PLC0415
        from service.core.scoring.inputs import Source  # noqa: PLC0415
        from service.core.scoring.parts import Format  # noqa: PLC0415
        from service.core.scoring.remote import place  # noqa: PLC0415
        from service.core.scoring.scorer import Options  # noqa: PLC0415
        from service.scoring import Request, run  # noqa: PLC0415
    cluster = Cluster(ray_address, ray_actors, ray_cpus, ray_gpus)
    if engine is Engine.LOCAL and cluster != Cluster():
        raise typer.BadParameter("--ray-address, -actors, -cpus and -gpus need --engine ray")
    request = Request(
        Source(source, column),
        place(output),
        part_size,
        model,
        version,
        Options(top_k, embedding, box, robustness),
        Format.JSONL if jsonl else Format.PARQUET,
        retry_errors,
        cluster=cluster if engine is Engine.RAY else None,
    )
    with progress.bar() as advance:
        summary = run(request, settings(repository=repository, provider=provider), advance)
    if as_json:
        print(json.dumps(summary.as_dict(), ensure_ascii=False))
    else:
        _show(summary, output)
    if summary.failed == summary.images:
        return ExitCode.FAILED
    return ExitCode.PARTLY if summary.failed else ExitCode.DONE


def _show(summary: "Summary", output: str) -> None:
    tables.show(_classes(summary))
    tables.show(_confidence(summary))
    if summary.slowest:
        tables.show(_slowest(summary))
    for kind, count in summary.errors.most_common():
        print(f"seewhy: {kind}: {count:,} of {summary.images:,} images", file=sys.stderr)
    print(f"{summary.images:,} rows, {summary.failed:,} with an error, are in {output}")


def _classes(summary: "Summary") -> Table:
    table = tables.headed("class", "images")
    listed = summary.classes.most_common()
    for label, count in listed[:CLASSES_SHOWN]:
        table.add_row(label, f"{count:,}")
    if others := listed[CLASSES_SHOWN:]:
        table.add_row(f"{len(others)} others", f"{sum(count for _, count in others):,}")
    return table


def _confidence(summary: "Summary") -> Table:
    table = tables.headed("probability", "images")
    bins = len(summary.confidence)
    for number, count in enumerate(summary.confidence):
        table.add_row(f"{number / bins:.1f} to {(number + 1) / bins:.1f}", f"{count:,}")
    return table


def _slowest(summary: "Summary") -> Table:
    table = tables.headed("slowest to read and decode", "ms")
    for seconds, name in sorted(summary.slowest, reverse=True):
        table.add_row(name, f"{1000 * seconds:.1f}")
    return table
