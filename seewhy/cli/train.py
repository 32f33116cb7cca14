"""`seewhy train`: labelled photos in, a bundle out."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.manifest import Precision
from models.repository import Repository
from seewhy.cli import durations, recipe_options, tables
from seewhy.cli.extras import needs
from seewhy.cli.models import RUNNING
from seewhy.cli.options import (
    BackboneOption,
    DataArgument,
    RobustOption,
    SeedOption,
    WeightsOption,
    settings,
)
from training.recipe import Strategy
from training.request import MAX_DROP, Training

if TYPE_CHECKING:
    from training.learn import Learned
    from training.train import Trained


@recipe_options.added
def train(
    data: DataArgument,
    *,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Repository to publish in. [default: SeeWhy's own]"),
    ] = None,
    backbone: BackboneOption = "efficientnet_lite0",
    weights: WeightsOption = "package",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's. [default: the data's]")
    ] = None,
    seed: SeedOption = 0,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of checkpoints. [default: runs/NAME]"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from its checkpoint.")] = False,
    full_report: Annotated[
        bool,
        typer.Option("--full-report", help="Measure robustness on all held-out photos, not 64."),
    ] = False,
    budget: Annotated[
        str, typer.Option(metavar="90s|10m|2h", help="Time that the strategy auto may fill.")
    ] = "10m",
    explain_choice: Annotated[
        bool, typer.Option("--explain-choice", help="Print the table that auto chooses from.")
    ] = False,
    precision: Annotated[
        Precision, typer.Option(help="What serves: int8 is for CPUs, fp16 for GPUs.")
    ] = Precision.FP32,
    max_drop: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            min=0,
            help="Accuracy that fp16 or int8 may cost; beyond doubt more, and it is refused.",
        ),
    ] = MAX_DROP,
    min_robust_accuracy: RobustOption = None,
    thumbnails: Annotated[
        bool,
        typer.Option(
            "--thumbnails",
            help="Keep a small JPEG of every photo that is learned from; whoever may ask the "
            "model for similar images sees them.",
        ),
    ] = False,
    **chosen: Any,
) -> None:
    """Fit a classifier to labelled photos.

    A linear classifier is fitted on a backbone's features; training the network starts from
    it, and counts only if it is better on photos that it has not seen. Whether it is tried
    depends on how many photos there are and how new they are to the network. The model is
    calibrated, judged on photos that were held out, and published as a bundle.
    """
    with needs("train"):
        from seewhy.cli import advice  # noqa: PLC0415  # serving has no torch
        from training.train import publish  # noqa: PLC0415
    target = Repository(settings(repository=output).repository)
    request = Training(
        data, backbone, weights, recipe_options.recipe(chosen), name, seed,
        run, resume, full_report, durations.seconds(budget), precision, max_drop,
        tuple(min_robust_accuracy or ()), thumbnails,
    )  # fmt: skip
    if explain_choice and request.recipe.strategy is not Strategy.AUTO:
        raise typer.BadParameter("--explain-choice needs --strategy auto")
    with _resumable(request.folder):
        learned = _learned(request)
        if learned is None:
            return
        if learned.advice is not None and explain_choice:
            advice.explain(learned.advice)
        trained = publish(learned, target, _tell)
    _show(trained, target)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Say, on Ctrl-C, which checkpoint there is to go on from."""
    from training.learning.checkpoint import FILE  # noqa: PLC0415

    try:
        yield
    except KeyboardInterrupt:
        if (folder / FILE).exists():
            _tell(f"--resume goes on from {folder / FILE}")
        raise


def _learned(request: Training) -> "Learned | None":
    """What was learned; None where another process goes on with it."""
    from training.learn import learn  # noqa: PLC0415
    from training.learning.processes import joined  # noqa: PLC0415

    with joined() as processes:
        learned = learn(request, _tell, processes)
    return learned if processes.first else None


def _show(trained: "Trained", target: Repository) -> None:
    """How good the model is, and where it went."""
    from training.report.page import summary  # noqa: PLC0415
    from training.train import REPORT  # noqa: PLC0415

    table = tables.headed("class", "precision", "recall", "held-out images")
    for found in trained.test.calibrated.classes:
        table.add_row(
            found.name, f"{found.precision:.3f}", f"{found.recall:.3f}", f"{found.support}"
        )
    tables.show(table)
    print(summary(trained.test))
    print(f"{trained.bundle.directory / REPORT} tells more.")
    print(f"{trained.bundle} is published in {target.root} and current; {RUNNING}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
