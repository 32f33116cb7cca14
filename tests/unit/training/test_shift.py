"""How far images are from what a network has learned: closed forms, and real photos."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import foolbox
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import torch
from torch import nn

from models.golden import to_float
from models.preprocess import preprocess
from training import weights as weights_source
from training.backbones import backbone
from training.instrument import Instrumented
from training.shift import IMAGES, shift
from training.transfer import transferred
from training.weights import Weights

Crops = npt.NDArray[np.uint8]
KNOWN = Weights({}, "a file", "none")


class OneNorm(nn.Module):
    """A batch norm over the image itself, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, eps=1e-9, momentum=None)
        self.head = nn.Linear(3, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.norm(image).mean(dim=(2, 3)))
        return logits


def remembering(crops: Crops) -> tuple[Instrumented, nn.BatchNorm2d]:
    """A network whose batch norm has learned these images, by torch's own running average."""
    chosen = backbone("lenet5")
    module = OneNorm()
    network = Instrumented(module, chosen, chosen.preprocessing)
    network.layer_name = None
    with torch.no_grad():
        network.train()(torch.from_numpy(to_float(crops)))
    network.eval()
    return network, module.norm


def noise(images: int) -> Crops:
    return np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)


def test_what_was_learned_is_no_distance_away() -> None:
    crops = noise(50)
    network, _ = remembering(crops)

    # torch remembers the variance that divides by one less than the values.
    assert shift(network, KNOWN, crops) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("moved", "scaled", "expected"),
    [
        (1.5, 1.0, 1.5),  # means apart by one and a half standard deviations
        (0.0, 3.0, 2 / 3),  # |s - 3 s| / 3 s
        (4.0, 4.0, 1.25),  # sqrt(1 + (3/4)^2)
    ],
)
def test_normal_distributions_are_their_wasserstein_distance_apart(
    moved: float, scaled: float, expected: float
) -> None:
    crops = noise(40)
    network, norm = remembering(crops)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean += moved * norm.running_var.sqrt()
    norm.running_var *= scaled**2

    assert shift(network, KNOWN, crops) == pytest.approx(expected, abs=1e-3)


def test_of_many_images_some_are_looked_at() -> None:
    crops = np.concatenate([noise(IMAGES)] * 3)
    network, norm = remembering(crops)
    looked_at = []
    handle = norm.register_forward_hook(lambda _m, given, _o: looked_at.append(len(given[0])))

    found = shift(network, KNOWN, crops)

    handle.remove()
    assert sum(looked_at) == IMAGES
    assert found == pytest.approx(0, abs=0.01)


def test_random_weights_remember_nothing() -> None:
    chosen = backbone("efficientnet_lite0")
    weights = weights_source.load(chosen, "none")

    assert shift(transferred(chosen, weights, 3, seed=0), weights, noise(2)) is None


def test_a_network_without_batch_norm_remembers_nothing() -> None:
    chosen = backbone("lenet5")
    network = Instrumented(chosen.build(3), chosen, chosen.preprocessing).eval()

    assert shift(network, KNOWN, noise(2)) is None


@cache
def pretrained() -> tuple[Instrumented, Weights]:
    chosen = backbone("efficientnet_lite0")
    weights = weights_source.load(chosen, "package")
    return transferred(chosen, weights, 3, seed=0), weights


def photos() -> Crops:
    """The 20 photos of ImageNet that foolbox ships."""
    files = sorted((Path(foolbox.__file__).parent / "data").glob("imagenet_*.jpg"))
    preprocessing = backbone("efficientnet_lite0").preprocessing
    return np.stack([preprocess(file.read_bytes(), preprocessing).pixels for file in files])


def textures() -> Crops:
    """Windows of scikit-image's grey textures."""
    generator = np.random.default_rng(0)
    windows = []
    for texture in (skimage.data.grass(), skimage.data.brick(), skimage.data.gravel()):
        for top, left in generator.integers(0, 512 - 224, (7, 2)).tolist():
            window = texture[top : top + 224, left : left + 224]
            windows.append(np.repeat(window[..., None], 3, axis=2))
    return np.stack(windows).astype(np.uint8)


def uniform() -> Crops:
    return np.random.default_rng(0).integers(0, 256, (20, 224, 224, 3), dtype=np.uint8)


@pytest.mark.parametrize("strange", [textures, uniform])
def test_imagenet_s_photos_are_nearer_than_what_is_no_photo(strange: Callable[[], Crops]) -> None:
    network, weights = pretrained()
    near, far = shift(network, weights, photos()), shift(network, weights, strange())

    assert near is not None
    assert far is not None
    assert far > 1.5 * near
