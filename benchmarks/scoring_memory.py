"""Whether batch scoring needs more memory for more images.

For each number of images, a process of its own scores a folder of links to one small photo,
with the default bundle's labels and a model that computes nothing, and tells the most memory
that it held. Prints Markdown.

    python benchmarks/scoring_memory.py [--images N N ...]
"""

import argparse
import multiprocessing
import os
import platform
import resource
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from models.photo import DEFAULT_LIMITS
from models.repository import Repository
from service.core.plan import Plan
from service.core.ports import Arrays
from service.core.scoring import inputs
from service.core.scoring.decoding import Readable
from service.core.scoring.output import Model, Run, opened
from service.core.scoring.parts import Format
from service.core.scoring.scorer import Scorer
from service.core.scoring.scoring import Work, score
from service.settings import ZOO

NAME = "efficientnet_lite0"
SIDE = 64


class Nothing:
    """Logits of zero."""

    def run(self, feeds: Arrays, /) -> Arrays:
        """See `Runner`."""
        return {"logits": np.zeros((len(feeds["image"]), 1000), dtype=np.float32)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    numbers = parser.parse_args().images
    print(
        f"{datetime.now(UTC).date()}; photos of {SIDE} x {SIDE} in one folder, {NAME}'s labels; "
        f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}.\n"
    )
    print("| images | most memory held, MiB |")
    print("| ---: | ---: |")
    fresh = multiprocessing.get_context("spawn")
    for images in numbers:
        with fresh.Pool(1) as pool:
            print(f"| {images:,} | {pool.apply(peak, (images,)):.0f} |")


def peak(images: int) -> float:
    """The most memory that this process held while it scored, in MiB."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "photos"
        photo = Path(root) / "photo.jpg"
        folder.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photo)
        for number in range(images):
            (folder / f"{number:07d}.jpg").symlink_to(photo)
        _score(folder, Path(root) / "out")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _score(folder: Path, output: Path) -> None:
    source = inputs.Source(str(folder))
    found = inputs.survey(source)
    run = Run(
        Model(NAME, 1, ""),
        source.name,
        source.column,
        found.images,
        found.fingerprint,
        top_k=5,
        embedding=False,
        box=False,
        robustness=None,
        format=Format.PARQUET,
        part_size=1000,
    )
    scorer = Scorer(Repository(ZOO).open(NAME).manifest, Nothing(), Plan(1, 1, 16))
    work = Work(Readable(2**25, DEFAULT_LIMITS), threads=os.cpu_count() or 1)
    with opened(output, run) as opened_:
        score(inputs.read(source), scorer, opened_, work, lambda *_: None)


if __name__ == "__main__":
    main()
