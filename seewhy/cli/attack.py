"""`seewhy attack`: how robust a model is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Squeezing
from seewhy.cli import tables
from seewhy.cli.extras import needs
from seewhy.cli.options import DataArgument, SeedOption, writable

if TYPE_CHECKING:
    from training.robustness.outcome import Outcome
    from training.robustness.study import Study


def attack(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder.")],
    data: DataArgument,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="JSON",
            callback=writable,
            help="Results; a run that was cut off goes on from them.",
        ),
    ] = Path("robustness.json"),
    images: Annotated[
        int, typer.Option(metavar="N", min=1, help="So many photos, drawn by the seed.")
    ] = 64,
    transfer: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="Another model, whose attacks are tried on this one."),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the accuracies into the bundle's manifest.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="HTML", callback=writable, help="Page with charts to write."),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Attack a model on labelled photos.

    Some attacks have its gradients, some do not; all run on the bundle's graphs. Folders are
    named by the model's labels, their synonyms or their indices.
    """  # fmt: skip
    with needs("attack"):
        from training.robustness.photos import photos  # noqa: PLC0415  # serving does without
        from training.robustness.study import Study  # noqa: PLC0415
    opened = bundles.read(bundle)
    other = None if transfer is None else bundles.read(transfer)
    crops, labels = photos(data, opened.manifest, images, seed=seed)
    study = Study(opened, crops, labels, seed, other)
    outcome = _carried_out(study, output)
    _show(outcome, study)
    print(f"{output} has every image's results.")
    if report is not None:
        from training.report import attacks  # noqa: PLC0415

        page = attacks.render(
            outcome, title=str(opened), sigma=study.sigma, imagenet=study.imagenet
        )
        report.write_text(page, encoding="utf-8")
        print(f"{report} has the charts.")
    if record:
        _record(opened, outcome)


def _carried_out(study: "Study", output: Path) -> "Outcome":
    from training.robustness.outcome import Outcome  # noqa: PLC0415
    from training.robustness.study import carry_out  # noqa: PLC0415

    results: dict[str, Any] = {}
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("")
        for done, total, name, results in carry_out(study, output):  # noqa: B007  # the last
            progress.update(bar, completed=done, total=total, description=name or "done")
    return Outcome(results)


def _show(outcome: "Outcome", study: "Study") -> None:
    from training.robustness.study import EPS  # noqa: PLC0415

    print(f"Right as they are: {outcome.clean:.1%}. Right and staying so:")
    table = tables.headed("attack", *EPS)
    for name, shares in outcome.attacks.items():
        table.add_row(name, *(f"{share:.1%}" for share in shares))
    tables.show(table)
    for norm, quantiles in outcome.margins.items():
        said = ", ".join(f"{share} {distance:.3g}" for share, distance in quantiles.items())
        print(f"Smallest perturbation found, {norm}, quantiles (0: wrong as it is): {said}")
    certified = ", ".join(f"{radius:g} {share:.0%}" for radius, share in outcome.certified.items())
    print(f"Certified accuracy under noise of sigma {study.sigma:g} by L2 radius: {certified}")
    errors = outcome.corruption_errors
    said = ", ".join(f"{name} {error:.1%}" for name, error in errors.items())
    print(f"Corruption error, on average over severities {outcome.severities}: {said}")
    if study.imagenet:
        from training.robustness.corruption_error import beside_alexnet  # noqa: PLC0415

        print(f"Mean corruption error over these, beside AlexNet's: {beside_alexnet(errors):.1%}")
    print(
        f"Right at every angle: {outcome.worst_turned:.1%}, "
        f"at every shift: {outcome.worst_shifted:.1%}"
    )
    if (squeezing := outcome.squeezing) is not None:
        print(_told(squeezing))
    for each in outcome.sanity:
        print(f"{'holds' if each.holds else 'FAILS'}: {each.claim} ({each.figures})")


def _record(bundle: Bundle, outcome: "Outcome") -> None:
    fields = bundle.manifest.model_dump(exclude={"sha256"})
    fields["metrics"] = {**bundle.manifest.metrics, **outcome.metrics}
    fields["squeezing"] = outcome.squeezing
    bundles.write_manifest(bundle.directory, fields)
    print(f"{bundle.directory / bundles.MANIFEST} has the accuracies and squeezing's threshold.")


def _told(squeezing: Squeezing) -> str:
    rate = squeezing.detection_rate
    found = "no attacked image to find" if rate is None else f"{rate:.0%} of the attacked found"
    return (
        f"Squeezing ({squeezing.attack}, unaware of it): {found}, "
        f"{squeezing.false_alarms:.0%} false alarms, on {squeezing.images} images"
    )
