"""`seewhy baselines`: what a deep network adds to what came before it."""

import sys

from models.repository import Repository
from seewhy.cli import tables
from seewhy.cli.extras import needs
from seewhy.cli.options import (
    BackboneOption,
    DataArgument,
    ModelOption,
    RepositoryOption,
    SeedOption,
    WeightsOption,
    settings,
)


def baselines(
    data: DataArgument,
    *,
    backbone: BackboneOption = "efficientnet_lite0",
    weights: WeightsOption = "package",
    model: ModelOption = None,
    repository: RepositoryOption = None,
    seed: SeedOption = 0,
) -> None:
    """Compare a deep network with shallow baselines.

    Colours, textures, edges and visual words are told apart by the same linear classifiers, on
    the same photos, as the backbone's features; two small networks learn from random weights.
    The repository's models that were trained on these photos stand beside them.
    """
    with needs("baselines"):
        from training.baselines.comparison import compare  # noqa: PLC0415  # serving has no torch
    bundles = Repository(settings(repository=repository).repository)
    table = tables.headed("features", "classifier", "validated", "held out", "balanced")
    for found in compare(data, bundles, backbone=backbone, weights=weights, model=model, seed=seed):
        print(f"{found.name}: {found.top1:.1%}", file=sys.stderr)
        validated = "" if found.validated is None else f"{found.validated:.1%}"
        held_out = (f"{share:.1%}" for share in (found.top1, found.balanced_accuracy))
        table.add_row(found.name, found.classifier, validated, *held_out)
    tables.show(table)
