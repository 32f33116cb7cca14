"""What images were told apart by before deep networks, beside a deep network's features.

`seewhy baselines` with its defaults, on several sets of photos, one after the other, with the
models of a repository that learned from them. Shares of right answers are of the photos held
out, which choose nothing. Prints Markdown.

    python benchmarks/baselines.py DATA... [--repository DIR] [--seed N]
"""

import argparse
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from models.repository import Repository
from service.settings import Settings
from training.baselines.comparison import compare

BACKBONE = "efficientnet_lite0"
WEIGHTS = "package"


def main() -> None:
    """Measure and print, each row as soon as it is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--repository", type=Path, default=Settings().repository)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(conditions(given.seed))
    for data in given.data:
        print(f"\n## {data.name}\n\n| features | classifier | validated | right | balanced |")
        print("| --- | --- | ---: | ---: | ---: |", flush=True)
        repository = Repository(given.repository)
        for found in compare(data, repository, backbone=BACKBONE, weights=WEIGHTS, seed=given.seed):
            validated = "" if found.validated is None else f"{found.validated:.1%}"
            held_out = f"{found.top1:.1%} | {found.balanced_accuracy:.1%}"
            row = f"{found.name} | {found.classifier} | {validated} | {held_out}"
            print(f"| {row} |", flush=True)


def conditions(seed: int) -> str:
    """What the figures hold for."""
    return (
        f"{datetime.now(UTC).date()}; {BACKBONE} with its package's weights, seed {seed}; "
        f"{platform.machine()}, {torch.get_num_threads()} threads; scikit-image "
        f"{version('scikit-image')}, scikit-learn {version('scikit-learn')}, torch "
        f"{torch.__version__}."
    )


if __name__ == "__main__":
    main()
