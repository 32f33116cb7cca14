"""`seewhy models`: what a repository holds, and which version is current."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
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
RUNNING = (
    "a running service goes on with what it has loaded until it is restarted or told to :promote"
)


def models_group() -> typer.Typer:
    """The commands under `seewhy models`."""
    listing = epilog("seewhy models list")
    group = typer.Typer(help="List, show, publish and roll back models.", epilog=listing)
    group.command("list", epilog=listing)(list_models)
    group.command(epilog=epilog("seewhy models show efficientnet_lite0"))(show)
    group.command(epilog=epilog("seewhy models publish build/mine/mine/1"))(publish)
    group.command(epilog=epilog("seewhy models rollback mine --version 1"))(rollback)
    return group


def list_models(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    repository: RepositoryOption = None,
) -> int:
    """List the models and their versions.

    A model's current version is what answers unless another is asked for.
    """
    problems: list[BundleError] = []
    rows = list(_rows(_repository(repository), problems))
    if as_json:
        for row in rows:
            print(json.dumps(asdict(row), ensure_ascii=False))
    else:
        table = tables.headed("model", "version", "current", "classes", "backbone")
        for row in rows:
            table.add_row(*row.cells())
        tables.show(table)
    for problem in problems:
        print(f"seewhy: {problem}", file=sys.stderr)
    return ExitCode.PARTLY if problems else ExitCode.DONE


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

    Where the repository has its version already, it becomes the next one. Its graphs are run
    first, and have to compute what its golden outputs say. What attacks leave of its accuracy is
    what its manifest says, as train or attack --record measured it.
    """
    target = _repository(repository)
    found = bundles.read(bundle)
    required = [evaluation.requirement(each) for each in min_robust_accuracy or []]
    evaluation.hold(found.manifest.metrics, required, str(bundle))
    bundles.verify(found)
    loading.check(found, choose(Provider.CPU))
    version = max(found.manifest.version, target.next_version(found.manifest.name))
    published = target.publish(bundle, version=version)
    print(f"{published} is published in {target.root} and current; {RUNNING}")


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


@dataclass(frozen=True)
class _Row:
    """A version; None stands for what is broken: the pointer to the current one, the manifest."""

    model: str
    version: int
    current: bool | None
    classes: int | None
    backbone: str | None

    def cells(self) -> tuple[str, ...]:
        mark = BROKEN if self.current is None else "yes" if self.current else ""
        facts = (BROKEN if fact is None else str(fact) for fact in (self.classes, self.backbone))
        return (self.model, str(self.version), mark, *facts)


def _rows(repository: Repository, problems: list[BundleError]) -> Iterator[_Row]:
    """Every version in order; what cannot be read is added to the problems."""
    for name in repository.names():
        current = _current(repository, name, problems)
        for version in repository.versions(name):
            mark = None if current is None else version == current
            try:
                manifest = repository.open(name, version).manifest
            except BundleError as error:
                problems.append(error)
                yield _Row(name, version, mark, None, None)
            else:
                classes, backbone = len(manifest.labels), manifest.provenance.backbone
                yield _Row(name, version, mark, classes, backbone)


def _current(repository: Repository, name: str, problems: list[BundleError]) -> int | None:
    try:
        return repository.current(name)
    except BundleError as error:
        problems.append(error)
        return None


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
