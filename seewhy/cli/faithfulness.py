"""`seewhy faithfulness`: which saliency method suits a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import MethodName
from seewhy.cli import tables
from seewhy.cli.exit_codes import ExitCode
from seewhy.cli.extras import needs
from seewhy.cli.options import DataArgument, SeedOption
from service.core.saliency.methods import possible

if TYPE_CHECKING:
    from training.saliency.comparison import Faithfulness


def faithfulness(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder.")],
    data: DataArgument,
    *,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A method to compare; may be given several times. [default: all that are "
            "possible, but for scorecam, occlusion and rise]",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(metavar="N", min=2, help="So many photos, drawn by the seed.")
    ] = 16,
    record: Annotated[
        bool, typer.Option("--record", help="Make the recommended method the bundle's default.")
    ] = False,
    seed: SeedOption = 0,
) -> int:
    """Compare saliency methods on photos and recommend one.

    It explains the model's top class of each photo. Folders are named by the model's labels,
    their synonyms or their indices.
    """
    with needs("faithfulness"):
        from training.robustness.photos import photos  # noqa: PLC0415  # serving does without
        from training.saliency.recommendation import MANY_PASSES, recommend  # noqa: PLC0415
    opened = bundles.read(bundle)
    methods = _methods(opened, method or [], slow=MANY_PASSES)
    crops, _ = photos(data, opened.manifest, images, seed=seed)
    found = recommend(opened, crops, methods, seed=seed)
    _show(found.compared)
    for name, stages in found.checked.items():
        falls = ", ".join(f"{each.randomized:.0%} {each.correlation:.2f}" for each in stages)
        print(f"{name}: rank correlation with random layers, from the last: {falls}")
        if name != found.chosen:
            print(f"{name} shows nearly the same for a random network, and is not recommended.")
    print(f"Recommended: {found.chosen or 'none'}")
    if found.chosen is None:
        return ExitCode.FAILED
    if record:
        _record(opened, found.chosen)
    return ExitCode.DONE


def _methods(
    bundle: Bundle, asked: Sequence[str], *, slow: Sequence[MethodName]
) -> list[MethodName]:
    """Those that are asked for, by default all but the slow ones."""
    all_of_them = possible(bundle.manifest)
    if not asked:
        return [name for name in all_of_them if name not in slow]
    if strange := set(asked) - set(all_of_them):
        raise typer.BadParameter(
            f"{bundle} cannot be explained by {min(strange)!r}; possible methods: "
            f"{', '.join(all_of_them)}"
        )
    return [name for name in all_of_them if name in asked]


def _show(found: "Sequence[Faithfulness]") -> None:
    # Seven columns in a terminal of 80 leave six letters for a heading.
    table = tables.headed("method", "insert", "delete", "score", "drop", "more", "passes")
    table.columns[0].no_wrap = True  # a name is for copying
    for each in found:
        table.add_row(
            each.method,
            f"{each.insertion.mean():.3f}",
            f"{each.deletion.mean():.3f}",
            f"{each.score.mean():.3f}",
            f"{each.drop.mean():.1%}",
            f"{each.increase.mean():.1%}",
            f"{each.passes:.0f}",
        )
    tables.show(table)


def _record(bundle: Bundle, name: MethodName) -> None:
    fields = bundle.manifest.model_dump(exclude={"sha256"})
    bundles.write_manifest(bundle.directory, {**fields, "default_explanation": name})
    print(f"{bundle.directory / bundles.MANIFEST} has it as the default.")
