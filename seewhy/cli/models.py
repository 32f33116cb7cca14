"""`seewhy models`: what a repository holds, and which version is current."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import BundleError
from models.repository import Repository
from seewhy.cli import tables
from seewhy.cli.epilog import epilog
from seewhy.cli.exit_codes import ExitCode
from seewhy.cli.options import RepositoryOption, RobustOption, VersionOption, settings
from service.core.robustness import evaluation
from service.runtime import loading
from service.runtime.providers import Provider, choose

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model.")]

BROKEN = "broken"
RUNNING = "a running service goes on with what it has loaded until it is restarted"


def models_group() -> typer.Typer:
    """The commands under `seewhy models`."""
    listing = epilog("seewhy models list")
    group = typer.Typer(help="List, show, publish and roll back models.", epilog=listing)
    group.command("list", epilog=listing)(list_models)
    group.command(epilog=epilog("seewhy models show efficientnet_lite0"))(show)
    group.command(epilog=epilog("seewhy models publish build/mine"))(publish)
    group.command(epilog=epilog("seewhy models rollback mine --version 1"))(rollback)
    return group


def list_models(*, repository: RepositoryOption = None) -> int:
    """List the models and their versions.

    A model's current version is what answers unless another is asked for.
    """
    table = tables.headed("model", "version", "current", "classes", "backbone")
    found = _repository(repository)
    broken: list[BundleError] = []
    for name in found.names():
        try:
            current = found.current(name)
        except BundleError as error:
            current = None
            broken.append(error)
        for version in found.versions(name):
            mark = BROKEN if current is None else "yes" if version == current else ""
            try:
                manifest = found.open(name, version).manifest
            except BundleError as error:
                facts = (BROKEN, BROKEN)
                broken.append(error)
            else:
                facts = (str(len(manifest.labels)), manifest.provenance.backbone)
            table.add_row(name, str(version), mark, *facts)
    tables.show(table)
    for problem in broken:
        print(f"seewhy: {problem}", file=sys.stderr)
    return ExitCode.PARTLY if broken else ExitCode.DONE


def show(
    name: Name,
    *,
    version: VersionOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole manifest.")] = False,
    repository: RepositoryOption = None,
) -> None:
    """Show what a model is and where it comes from."""
    bundle = _repository(repository).open(name, version)
    if as_json:
        print(bundle.manifest.model_dump_json(indent=1))
        return
    table = Table.grid(padding=(0, 2))
    for field, value in _facts(bundle).items():
        table.add_row(field, value)
    tables.show(table)


def publish(
    bundle: Annotated[Path, typer.Argument(metavar="DIR", help="A finished bundle.")],
    *,
    min_robust_accuracy: RobustOption = None,
    repository: RepositoryOption = None,
) -> None:
    """Add a bundle and make it current.

    Its graphs are run first, and have to compute what its golden outputs say. What attacks leave
    of its accuracy is what its manifest says, as train or attack --record measured it.
    """
    target = _repository(repository)
    found = bundles.read(bundle)
    required = [evaluation.requirement(each) for each in min_robust_accuracy or []]
    evaluation.hold(found.manifest.metrics, required, str(bundle))
    bundles.verify(found)
    loading.check(found, choose(Provider.CPU))
    print(f"{target.publish(bundle)} is published in {target.root} and current; {RUNNING}")


def rollback(
    name: Name,
    *,
    version: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Which, if not the one before.")
    ] = None,
    repository: RepositoryOption = None,
) -> None:
    """Make an earlier version current."""
    print(f"{_repository(repository).rollback(name, version)} is current; {RUNNING}")


def _repository(folder: Path | None) -> Repository:
    return Repository(settings(repository=folder).repository)


def _facts(bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    provenance, layer = manifest.provenance, manifest.explained_layer
    height, width = manifest.preprocessing.crop
    files = [bundle.directory / file for file in manifest.sha256]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return {
        "model": str(bundle),
        "folder": str(bundle.directory),
        "size": f"{size / 1e6:.1f} MB",
        "backbone": f"{provenance.backbone}, {provenance.parameters:,} parameters",
        "weights": provenance.weights,
        "licence": provenance.licence,
        "made by": provenance.created_by,
        "classes": str(len(manifest.labels)),
        "input": f"{width} x {height}, {manifest.preprocessing.resampling} from "
        f"{manifest.preprocessing.resize} on the shorter side",
        "graphs": ", ".join(graph.filename for graph in manifest.graphs),
        "precision": manifest.precision,
        "explained layer": f"{layer.name}, {layer.channels} channels" if layer else "none",
        "calibrated": "yes" if manifest.calibration else "no",
        "metrics": "\n".join(f"{key} {value:g}" for key, value in manifest.metrics.items())
        or "none",
    }
