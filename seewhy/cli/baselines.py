"""`seewhy baselines`: what a deep network adds to what came before it."""

import sys

from seewhy.cli import tables
from seewhy.cli.extras import needs_training
from seewhy.cli.options import BackboneOption, DataArgument, SeedOption, WeightsOption


def baselines(
    data: DataArgument,
    *,
    backbone: BackboneOption = "efficientnet_lite0",
    weights: WeightsOption = "package",
    seed: SeedOption = 0,
) -> None:
    """Compare a backbone's features with those from before deep networks.

    Colours, textures, edges and visual words are told apart by the same linear classifiers, on
    the same photos, as the backbone's features.
    """
    with needs_training("baselines"):
        from training.baselines.comparison import compare  # noqa: PLC0415  # serving has no torch
    table = tables.headed("features", "classifier", "cross-validated", "held out", "balanced")
    for found in compare(data, backbone=backbone, weights=weights, seed=seed):
        print(f"{found.name}: {found.top1:.1%}", file=sys.stderr)
        shares = (found.cross_validated, found.top1, found.balanced_accuracy)
        table.add_row(found.name, found.classifier, *(f"{share:.1%}" for share in shares))
    tables.show(table)
