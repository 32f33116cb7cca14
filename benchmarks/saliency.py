"""What saliency costs, as ratios within one run.

Each backbone, with random weights, is exported and run by ONNX Runtime beside captum on the
network in eager PyTorch, one image and one thread, in turns. Prints Markdown.

    OMP_NUM_THREADS=1 python benchmarks/saliency.py [--repeats N] NAME …
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Saliency

from service.core.network import Network
from service.core.saliency.class_activation import gradcam
from service.core.saliency.gradients import gradient
from service.core.saliency.integrated_gradients import integrated_gradients
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training import graphs, weights_file
from training.backbones import Layout, backbone
from training.zoo.accuracy import CLASSES
from training.zoo.check import random_network
from training.zoo.problem import Problem

STEPS = 8
TARGET = 1

Contestants = Mapping[str, Callable[[], object]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{datetime.now(UTC).date()}; medians of {given.repeats} runs in turns, one image, one "
        f"thread, {platform.machine()}; onnxruntime {onnxruntime.__version__}, torch "
        f"{torch.__version__}.\n"
    )
    print(
        "| backbone | forward, ms | gradient / forward | Grad-CAM / forward "
        f"| {STEPS} steps / {STEPS} gradients | captum's gradient / ours "
        "| captum's Grad-CAM / ours | captum's integrated gradients / ours |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in given.names:
        ms = measured(name, given.repeats)
        cam = f"{ms['captum gradcam'] / ms['gradcam']:.2f}" if "captum gradcam" in ms else "-"
        print(
            f"| {name} | {ms['forward']:.1f} | {ms['gradient'] / ms['forward']:.2f} "
            f"| {ms['gradcam'] / ms['forward']:.2f} | {ms['integrated'] / ms['gradients']:.2f} "
            f"| {ms['captum gradient'] / ms['gradient']:.2f} | {cam} "
            f"| {ms['captum integrated'] / ms['integrated']:.2f} |",
            flush=True,
        )


def measured(name: str, repeats: int) -> dict[str, float]:
    """Median milliseconds of each contestant."""
    with tempfile.TemporaryDirectory() as folder:
        return _timed(_contestants(name, Path(folder)), repeats)


def _contestants(name: str, folder: Path) -> Contestants:
    chosen = backbone(name)
    module = random_network(chosen)
    weights_file.save(graphs.build(module, chosen.layout, chosen.preprocessing.crop), folder)
    device = choose(Provider.CPU)
    # With the two ends, 10 images go through for integrated gradients: one batch.
    network = Network(
        cache(lambda graph: open_session(folder / graph.filename, device, threads=1)),
        classes=CLASSES,
    )
    given = Problem.draw(chosen, 1, classes=CLASSES, seed=0).image
    image, cotangent = given[0].numpy(), np.eye(CLASSES, dtype=np.float32)[[TARGET]]
    line: npt.NDArray[np.float32] = np.repeat(image[np.newaxis], STEPS, axis=0)
    rows = cotangent.repeat(STEPS, axis=0)

    def score(images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = module(images).logits
        return logits

    black = torch.zeros_like(given)
    steps = {"n_steps": STEPS, "internal_batch_size": STEPS}
    contestants: dict[str, Callable[[], object]] = {
        "forward": lambda: network.logits(image[np.newaxis]),
        "gradient": lambda: gradient(network, image, cotangent),
        "gradients": lambda: network.input_gradient(line, rows),
        "gradcam": lambda: gradcam(network, image, cotangent),
        "integrated": lambda: integrated_gradients(
            network, image, cotangent, steps=STEPS, baseline="black", signed=True
        ),
        "captum gradient": lambda: Saliency(score).attribute(
            given.clone().requires_grad_(), TARGET
        ),
        "captum integrated": lambda: IntegratedGradients(score).attribute(
            given, black, TARGET, **steps
        ),
    }
    if chosen.layer is not None and chosen.layout is Layout.NCHW:
        layer = module.module.get_submodule(chosen.layer)
        contestants["captum gradcam"] = lambda: LayerGradCam(score, layer).attribute(
            given.clone().requires_grad_(), TARGET
        )
    return contestants


def _timed(contestants: Contestants, repeats: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(1 + repeats):  # in turns, so that a slow moment hits all
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(times[1:])) for name, times in taken.items()}


if __name__ == "__main__":
    main()
