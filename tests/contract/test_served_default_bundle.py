"""The default bundle through the service, against its PyTorch original on the same crops.

The original is timm's network with the package's state dict, put together without any code
of ours; gradients are autograd's in float64, and Grad-CAM is captum's.
"""

import copy
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from starlette.testclient import TestClient

from models.manifest import Preprocessing
from models.preprocess import preprocess
from service.api.schemas.classify import Classification
from service.app import create_app
from service.settings import Settings

PHOTOS = sorted(
    Path(file.locate()) for file in files("foolbox") or [] if file.match("data/imagenet_*.jpg")
)
SECONDS = 60


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(provider="cpu"))) as client:
        pause = Event()
        for _ in range(SECONDS * 20):
            (model,) = client.get("/readyz").json()["models"]
            states = {graph["state"] for graph in model["graphs"].values()}
            if states == {"ready"}:
                break
            assert "failed" not in states, model
            pause.wait(0.05)
        yield client


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """PyTorch's threads and ONNX Runtime's spin while they wait, each for the other's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def original(lite0: torch.nn.Module) -> torch.nn.Module:
    """The network in float64, from pixels in [-1, 1], [N, 3, H, W], to logits."""
    return copy.deepcopy(lite0).double()


@pytest.fixture(scope="module")
def preprocessing(client: TestClient) -> Preprocessing:
    manifest = client.get("/models/efficientnet_lite0").json()["manifest"]
    return Preprocessing.model_validate(manifest["preprocessing"])


def normalised(photo: Path, preprocessing: Preprocessing) -> torch.Tensor:
    pixels = torch.from_numpy(preprocess(photo.read_bytes(), preprocessing).pixels.copy())
    # The package's weights expect pixels in [-1, 1].
    return (pixels.permute(2, 0, 1)[None].double() / 255 - 0.5) / 0.5


def cosine(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def explained(client: TestClient, photo: Path, method: str) -> dict[str, Any]:
    response = client.post(f"/explain?method={method}", content=photo.read_bytes())
    assert response.status_code == 200, response.text
    explanation: dict[str, Any] = response.json()["explanation"]
    return explanation


def test_there_are_twenty_photos() -> None:
    assert len(PHOTOS) == 20


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.stem)
def test_the_top_five_are_those_of_the_original(
    client: TestClient, original: torch.nn.Module, preprocessing: Preprocessing, photo: Path
) -> None:
    answer = client.post("/classify", content=photo.read_bytes()).json()
    with torch.inference_mode():
        expected = original(normalised(photo, preprocessing))[0].softmax(0).topk(5)
    found = answer["predictions"]
    assert [p["index"] for p in found] == expected.indices.tolist()
    assert [p["probability"] for p in found] == pytest.approx(expected.values.tolist(), rel=1e-3)


def test_as_many_photos_are_recognised_as_the_readme_says(client: TestClient) -> None:
    ranks = []
    for photo in PHOTOS:
        found = client.post("/classify", content=photo.read_bytes()).json()["predictions"]
        label = int(photo.stem.rpartition("_")[2])
        ranks += [rank for rank, each in enumerate(found) if each["index"] == label]
    top_1, top_5 = ranks.count(0), len(ranks)
    assert (top_1, top_5) == (18, 19)


@pytest.mark.parametrize("photo", PHOTOS[:3], ids=lambda photo: photo.stem)
def test_the_gradient_map_is_autograds(
    client: TestClient, original: torch.nn.Module, preprocessing: Preprocessing, photo: Path
) -> None:
    explanation = explained(client, photo, "gradient")
    image = normalised(photo, preprocessing).requires_grad_()
    original(image)[0, explanation["target"]["index"]].backward()
    assert image.grad is not None
    # The service's images are in [0, 1], where a step is twice as large.
    expected = 2 * image.grad[0].abs().amax(0).numpy()
    found = np.array(explanation["map"]["data"])
    assert cosine(found, expected) > 0.999
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(expected), rel=1e-2)


@pytest.mark.parametrize("method", ["gradcam", "cam", "eigencam", "gradient"])
def test_classify_explains_its_top_class_in_the_same_call(client: TestClient, method: str) -> None:
    photo = PHOTOS[0].read_bytes()
    response = client.post(f"/classify?explain={method}&top_k=1", content=photo)
    answer = response.json()
    Classification.model_validate(answer, extra="forbid")
    assert answer["explanation"] == explained(client, PHOTOS[0], method)
    assert answer["explanation"]["target"] == answer["predictions"][0]
    # The pass that classifies has all that the first three need.
    assert answer["explanation"]["passes"] == (1 if method == "gradient" else 0)
    assert answer["timings_ms"]["explain"] > 0


@pytest.mark.parametrize("photo", PHOTOS[:3], ids=lambda photo: photo.stem)
def test_the_gradcam_map_is_captums(
    client: TestClient, original: torch.nn.Module, preprocessing: Preprocessing, photo: Path
) -> None:
    explanation = explained(client, photo, "gradcam")
    image = normalised(photo, preprocessing).requires_grad_()
    layer = original.get_submodule("bn2")
    coarse = LayerGradCam(original, layer).attribute(
        image, explanation["target"]["index"], relu_attributions=True
    )
    expected = LayerAttribution.interpolate(coarse, (224, 224), "bilinear")[0, 0]
    found = np.array(explanation["map"]["data"])
    assert cosine(found, expected.detach().numpy()) > 0.9999
