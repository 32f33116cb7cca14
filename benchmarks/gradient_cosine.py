"""Whether a float32 gradient's cosine with the exact one is lower than PyTorch's.

A cosine is made of ties (see `training.zoo.accuracy`), so on the few images of `make zoo-check`
the medians of two programs fall either way. This asks the same of more images, for backbones
where PyTorch's median was the better one. Prints Markdown.

    python benchmarks/gradient_cosine.py [--images N] NAME …
"""

import argparse
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import torch

from models.manifest import Graph
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training import graphs, weights_file
from training.backbones import backbone
from training.zoo.accuracy import CLASSES, GradientAccuracy, in_float64, measure
from training.zoo.check import random_network
from training.zoo.problem import Problem

BATCH = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--images", type=int, default=150)
    given = parser.parse_args()
    print(
        f"{datetime.now(UTC).date()}; {given.images} random images, none of them among those of "
        f"`make zoo-check`; {platform.machine()}; torch {torch.__version__}.\n"
    )
    print("| backbone | 1 - cosine | PyTorch's | p | worst |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in given.names:
        found = accuracy(name, given.images)
        print(
            f"| {name} | {found.cosine_loss:.1e} | {found.torch_cosine_loss:.1e} "
            f"| {found.cosine_p:.2g} | {found.worst_cosine_loss:.1e} |",
            flush=True,
        )


def accuracy(name: str, images: int) -> GradientAccuracy:
    """The errors of a backbone's gradient, with random weights, on fresh random images."""
    chosen = backbone(name)
    network = random_network(chosen)
    problems = [
        Problem.draw(chosen, BATCH, classes=CLASSES, seed=1000 + number)
        for number in range(images // BATCH)
    ]
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        built = graphs.build(network, chosen.layout, chosen.preprocessing.crop)
        weights_file.save(built, directory)
        session = open_session(directory / Graph.GRADIENT.filename, choose(Provider.CPU))
        networks = (network, in_float64(network))
        found = measure(problems, networks, chosen.layout, {Graph.GRADIENT: session})
        return found.gradients[Graph.GRADIENT]


if __name__ == "__main__":
    main()
