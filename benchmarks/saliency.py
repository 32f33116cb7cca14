"""What saliency costs, as ratios within one run.

Each backbone, with random weights, is exported and run by ONNX Runtime beside captum on the
network in eager PyTorch, and beside pytorch-grad-cam; and the default bundle answers a photo
with and without a map, through the application. What is counted is the processor time of this
one process, in which all of them run on one thread, in turns: other work on the machine takes
none of it. Prints Markdown.

    pip install --no-deps grad-cam ttach
    OMP_NUM_THREADS=1 python benchmarks/saliency.py [--repeats N] [--long-repeats N] \
        [--batch N] NAME …
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Saliency
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from starlette.testclient import TestClient

from models.manifest import Graph
from service.app import create_app
from service.core.network import Floats, Network
from service.core.saliency.class_activation import gradcam
from service.core.saliency.gradients import gradient, smoothgrad
from service.core.saliency.integrated_gradients import integrated_gradients
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from service.settings import Settings
from training import graphs, weights_file
from training.backbones import Backbone, Layout, backbone
from training.golden import to_grid
from training.instrument import Instrumented
from training.zoo.accuracy import CLASSES
from training.zoo.check import random_network
from training.zoo.problem import Problem

STEPS = 32
TARGET = 1
PHOTO = Path(__file__).parents[1] / "docs/samples/cat.jpg"
REQUESTS = {
    "plain": "/classify",
    "with a map": "/classify?explain=gradcam",
    "in base64": "/classify?explain=gradcam&map=base64",
    "gradcam": "/explain?method=gradcam",
    "cam": "/explain?method=cam",
}

Contestants = Mapping[str, Callable[[], object]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--repeats", type=int, default=15, help="of one image")
    parser.add_argument("--long-repeats", type=int, default=3, help=f"of {STEPS} images")
    parser.add_argument("--batch", type=int, default=Network.batch, help=f"of the {STEPS} images")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{datetime.now(UTC).date()}; processor time, medians of {given.repeats} runs of one image "
        f"and of {given.long_repeats} of {STEPS} ({given.batch} at once), in turns, one thread, "
        f"{platform.machine()}; "
        f"onnxruntime {onnxruntime.__version__}, torch {torch.__version__}.\n"
    )
    _print_requests(10 * given.repeats)
    print(
        "| backbone | classification, ms | gradient | Grad-CAM "
        "| integrated gradients | smoothgrad "
        "| captum: gradient | captum: Grad-CAM | captum: integrated gradients "
        "| pytorch-grad-cam |"
    )
    print("| --- |" + " ---: |" * 9)
    for name in given.names:
        print(_row(name, given.repeats, given.long_repeats, given.batch), flush=True)


def _print_requests(repeats: int) -> None:
    with _requests() as requests:
        ms = timed(requests, repeats)
    print("| request | ms | of a plain one |\n| --- | ---: | ---: |")
    for name, path in REQUESTS.items():
        print(f"| `POST {path}` | {ms[name]:.1f} | {ms[name] / ms['plain']:.2f} |")
    print(flush=True)


def _row(name: str, repeats: int, long_repeats: int, batch: int) -> str:
    chosen = backbone(name)
    module = random_network(chosen)
    with tempfile.TemporaryDirectory() as folder:
        network = replace(exported(chosen, module, Path(folder)), batch=batch)
        problem = Problem.draw(chosen, 1, classes=CLASSES, seed=0)
        theirs = _captums(chosen, module, problem.image)
        theirs["pytorch-grad-cam"] = _grad_cam(chosen, module, problem.image)
        once = timed(_ours(network, problem) | theirs, repeats)
        often = timed(
            _our_steps(network, problem) | _captums_steps(module, problem.image, batch),
            long_repeats,
        )
    return _line(
        name,
        f"{once['classification']:.1f}",
        once["gradient"] / once["classification"],
        once["gradcam"] / once["classification"],
        often["integrated"] / often["gradients"],
        often["smoothgrad"] / often["gradients"],
        once["captum gradient"] / once["gradient"],
        once["captum gradcam"] / once["gradcam"] if "captum gradcam" in once else "-",
        often["captum integrated"] / often["integrated"],
        once["pytorch-grad-cam"] / once["gradcam"],
    )


def _line(*cells: str | float) -> str:
    shown = [cell if isinstance(cell, str) else f"{cell:.2f}" for cell in cells]
    return f"| {' | '.join(shown)} |"


def exported(chosen: Backbone, module: Instrumented, folder: Path) -> Network:
    """The network's graphs, on one thread."""
    weights_file.save(graphs.build(module, chosen.layout, chosen.preprocessing.crop), folder)
    device = choose(Provider.CPU)
    runner = cache(lambda graph: open_session(folder / graph.filename, device, threads=1))
    return Network(runner, classes=CLASSES)


def _ours(network: Network, problem: Problem) -> dict[str, Callable[[], object]]:
    """One image each."""
    image, cotangent = problem.image[0].numpy(), _cotangent()
    pixels = {"image": problem.pixels}
    return {
        "classification": lambda: network.runner(Graph.MODEL).run(pixels),
        "gradient": lambda: gradient(network, image, cotangent),
        "gradcam": lambda: gradcam(network, image, cotangent),
    }


def _our_steps(network: Network, problem: Problem) -> dict[str, Callable[[], object]]:
    """Gradients of as many images as there are steps, and what is made of so many."""
    image, cotangent = problem.image[0].numpy(), _cotangent()
    images: npt.NDArray[np.float32] = np.repeat(image[np.newaxis], STEPS, axis=0)
    rows = cotangent.repeat(STEPS, axis=0)
    return {
        "gradients": lambda: network.input_gradient(images, rows),
        "integrated": lambda: integrated_gradients(
            network, image, cotangent, steps=STEPS, baseline="black", signed=True
        ),
        "smoothgrad": lambda: smoothgrad(
            network, image, cotangent, samples=STEPS, sigma=0.15, seed=0, signed=True
        ),
    }


def _cotangent() -> Floats:
    return np.eye(CLASSES, dtype=np.float32)[[TARGET]]


def _captums(
    chosen: Backbone, module: Instrumented, image: torch.Tensor
) -> dict[str, Callable[[], object]]:
    score = _score(module)
    contestants: dict[str, Callable[[], object]] = {
        "captum gradient": lambda: Saliency(score).attribute(
            image.clone().requires_grad_(), TARGET
        ),
    }
    if chosen.layer is not None and chosen.layout is Layout.NCHW:
        layer = module.module.get_submodule(chosen.layer)
        contestants["captum gradcam"] = lambda: LayerGradCam(score, layer).attribute(
            image.clone().requires_grad_(), TARGET
        )
    return contestants


def _grad_cam(chosen: Backbone, module: Instrumented, image: torch.Tensor) -> Callable[[], object]:
    """pytorch-grad-cam's map; its hooks are taken off each time, for others use the network too.

    The weights are constants, so its backward pass goes to the pixels and no further.
    """
    layers = [module.module.get_submodule(chosen.layer or "")]
    targets, on_grid = [ClassifierOutputTarget(TARGET)], partial(to_grid, layout=chosen.layout)
    pixels = (image - module.mean) / module.std

    def run() -> object:
        with GradCAM(module.module, layers, reshape_transform=on_grid) as found:
            return found(pixels.clone().requires_grad_(), targets)

    return run


def _captums_steps(
    module: Instrumented, image: torch.Tensor, batch: int
) -> dict[str, Callable[[], object]]:
    """In batches of the same size as ours."""
    integrated = IntegratedGradients(_score(module))
    steps = {"n_steps": STEPS, "internal_batch_size": batch}
    black = torch.zeros_like(image)
    return {"captum integrated": lambda: integrated.attribute(image, black, TARGET, **steps)}


def _score(module: Instrumented) -> Callable[[torch.Tensor], torch.Tensor]:
    def score(images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = module(images).logits
        return logits

    return score


@contextmanager
def _requests() -> Iterator[Contestants]:
    """The photo sent to the default bundle, once all its graphs are loaded."""
    settings = Settings(provider="cpu", threads=1, tune="off")
    photo = PHOTO.read_bytes()
    with TestClient(create_app(settings)) as client:
        while "loading" in client.get("/readyz").text:
            time.sleep(0.1)

        def send(path: str) -> None:
            client.post(path, content=photo).raise_for_status()

        yield {name: partial(send, path) for name, path in REQUESTS.items()}


def timed(contestants: Contestants, repeats: int) -> dict[str, float]:
    """The median milliseconds of the processor that each takes."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(1 + repeats):  # in turns, so that a slow moment hits all
        for name, run in contestants.items():
            start = time.process_time()
            run()
            taken[name].append(1e3 * (time.process_time() - start))
    return {name: float(np.median(times[1:])) for name, times in taken.items()}


if __name__ == "__main__":
    main()
