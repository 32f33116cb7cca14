"""Which layers are looked at, what is read there, and how far they serve another task."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from models.golden import to_float
from training import features, heads, layers, probe
from training.backbones import ZOO, Backbone, Layout, backbone
from training.instrument import Instrumented

CLASSES = 5
SHALLOW = {"lenet5": 3, "mlp": 1, "linear": 0, "alexnet": 3}
"""Networks with few layers between the image and the embedding."""


def network(name: str) -> Instrumented:
    torch.manual_seed(0)
    chosen = backbone(name)
    module = chosen.build(CLASSES)
    heads.attach(module, CLASSES)
    return Instrumented(module, chosen, chosen.preprocessing).eval()


def noise(chosen: Backbone, images: int) -> npt.NDArray[np.uint8]:
    shape = (images, *chosen.preprocessing.crop, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("chosen", ZOO, ids=lambda chosen: chosen.name)
def test_every_backbone_shows_a_handful_of_layers(chosen: Backbone) -> None:
    # Without numbers (meta device); RegNet's constructor reads some.
    with torch.device("cpu" if chosen.name.startswith("regnet") else "meta"):
        module = chosen.build(CLASSES).to("meta")
    with torch.device("meta"), torch.no_grad():
        watched = Instrumented(module, chosen, chosen.preprocessing)
        with layers.watched(watched, chosen.layout) as seen:
            watched(torch.empty(2, 3, *chosen.preprocessing.crop))

    assert list(seen) == sorted(seen)
    assert SHALLOW.get(chosen.name, 4) <= len(seen) <= layers.LAYERS
    for parts in seen.values():
        (pooled,) = parts
        assert pooled.ndim == 2
        assert len(pooled) == 2


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        # As the papers have them, from the input to the head.
        ("resnet18", [64, 128, 256, 512, 512]),
        ("efficientnet_lite0", [32, 40, 80, 192, 320, 1280]),
        ("swin_t", [96, 192, 384, 384, 768, 768]),
        ("lenet5", [6, 400, 120, 84]),
        ("linear", [3 * 32 * 32]),
    ],
)
def test_a_layer_is_as_wide_as_its_block(name: str, widths: list[int]) -> None:
    chosen = backbone(name)

    found = layers.pooled(network(name), chosen.layout, noise(chosen, 2))

    assert [layer.features.shape for layer in found] == [(2, width) for width in widths]
    assert found[-1].blocks == found[-1].of


def test_a_layer_is_the_mean_over_its_places() -> None:
    chosen = backbone("resnet18")
    module, crops = network("resnet18"), noise(chosen, 3)
    resnet = module.module

    second = layers.pooled(module, chosen.layout, crops)[1]

    with torch.no_grad():
        grid = (torch.from_numpy(to_float(crops)) - module.mean) / module.std
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2.0"):
            grid = resnet.get_submodule(name)(grid)
    assert second.blocks == len(("conv1", "layer1.0", "layer1.1", "layer2.0"))
    np.testing.assert_allclose(second.features, grid.numpy().mean(axis=(2, 3)), atol=1e-6)


@pytest.mark.parametrize("name", ["lenet5", "squeezenet1_1", "vit_b_16"])
def test_the_last_layer_is_the_embedding(name: str) -> None:
    chosen = backbone(name)
    module, crops = network(name), noise(chosen, 2)

    found = layers.pooled(module, chosen.layout, crops)

    np.testing.assert_array_equal(found[-1].features, features.embeddings(module, crops))


def test_nothing_is_watched_afterwards() -> None:
    chosen = backbone("lenet5")
    module = network("lenet5")

    layers.pooled(module, chosen.layout, noise(chosen, 2))

    assert not any(part._forward_pre_hooks for part in module.modules())  # noqa: SLF001 - torch's own list


class Forgetful(nn.Module):
    """Tells light from dark on the left, and then keeps the right half alone."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Conv2d(3, 4, 1)
        self.think = nn.Conv2d(4, 4, 1)
        self.forget = Right()
        self.classifier = nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(
            self.forget(self.think(self.see(image))).mean(dim=(2, 3))
        )
        return logits


class Right(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Conv2d(4, 4, 1)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        kept: torch.Tensor = self.scale(grid[..., grid.shape[-1] // 2 :])
        return kept


def test_a_layer_serves_as_far_as_it_still_knows_the_difference() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    crops = generator.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    crops[:, :, :4] = np.where(labels == 1, 200, 50)[:, None, None, None]
    chosen = backbone("lenet5")
    torch.manual_seed(0)
    blind = Instrumented(Forgetful(), chosen, chosen.preprocessing)
    blind.layer_name = None

    found = layers.transfer(
        layers.pooled(blind.eval(), Layout.NCHW, crops),
        labels,
        probe.folds(labels, np.arange(60), seed=0),
    )

    assert [point.blocks for point in found] == [1, 2, 3]
    assert [point.accuracy for point in found[:2]] == [1, 1]
    assert found[2].accuracy < 0.75


def test_pixels_serve_digits_as_well_as_scikit_learn_says() -> None:
    pixels, labels = load_digits(return_X_y=True)
    pixels, labels = pixels[:400].astype(np.float32), labels[:400]
    splits = probe.folds(labels, np.arange(400), seed=0)

    (found,) = layers.transfer([layers.Layer(0, 1, pixels)], labels, splits)

    from_probe = probe.fit(pixels, labels, probe.Classifier.LOGISTIC, splits)
    assert found.accuracy == from_probe.accuracy > 0.9
