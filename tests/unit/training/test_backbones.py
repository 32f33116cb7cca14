"""The zoo's rows against the libraries and the literature; built without memory (meta device)."""

from functools import cache
from io import BytesIO
from pathlib import Path

import foolbox
import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image

from models.errors import ExportError
from models.preprocess import preprocess
from training.backbones import ZOO, Backbone, Layout, Source, backbone, parameters
from training.instrument import Instrumented, Outputs

PHOTO = Path(foolbox.__file__).parent / "data" / "imagenet_05_853.jpg"
CLASSES = 37

every_backbone = pytest.mark.parametrize("chosen", ZOO, ids=lambda chosen: chosen.name)


@cache
def build(chosen: Backbone, classes: int) -> torch.nn.Module:
    if chosen.name.startswith("regnet"):  # its constructor computes widths with tensors
        return chosen.build(classes).to("meta")
    with torch.device("meta"):
        return chosen.build(classes)


@cache
def outputs(chosen: Backbone) -> Outputs:
    module = build(chosen, CLASSES)
    with torch.device("meta"), torch.no_grad():
        network = Instrumented(module, chosen, chosen.preprocessing)
        found: Outputs = network(torch.empty(2, 3, *chosen.preprocessing.crop))
        return found


def test_names_are_unique() -> None:
    assert len({chosen.name for chosen in ZOO}) == len(ZOO)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(ExportError, match=r"no backbone 'resnet'.*resnet18.*swin_t"):
        backbone("resnet")


@every_backbone
def test_the_number_of_classes_is_ours_to_choose(chosen: Backbone) -> None:
    assert outputs(chosen).logits.shape == (2, CLASSES)


@every_backbone
def test_the_classifier_takes_the_embedding(chosen: Backbone) -> None:
    module = build(chosen, CLASSES)
    name = Instrumented(module, chosen, chosen.preprocessing).classifier_name
    weight = module.get_submodule(name).weight
    assert isinstance(weight, torch.Tensor)
    assert weight.shape[:2] == (CLASSES, outputs(chosen).embedding.shape[1])


@every_backbone
def test_the_explained_layer_is_a_grid(chosen: Backbone) -> None:
    layer = outputs(chosen).layer
    if layer is None:
        assert chosen.layer is None
        return
    if chosen.layout is Layout.TOKENS:
        side = chosen.preprocessing.crop[0] // 16
        assert layer.shape[:2] == (2, 1 + side * side)
    else:
        spatial = layer.shape[2:] if chosen.layout is Layout.NCHW else layer.shape[1:3]
        assert layer.ndim == 4
        assert min(spatial) >= 5
        # The deepest grid there is: nothing smaller than a sixteenth of the image, at least.
        assert max(spatial) <= max(chosen.preprocessing.crop) // 3


@every_backbone
def test_preprocessing_is_what_the_library_publishes(chosen: Backbone) -> None:
    if chosen.source is Source.SEEWHY:
        pytest.skip("no library publishes any")
    data = PHOTO.read_bytes()
    image = Image.open(BytesIO(data)).convert("RGB")
    if chosen.source is Source.TORCHVISION:
        transform = torchvision.models.get_model_weights(chosen.key).DEFAULT.transforms()
    else:
        config = timm.data.resolve_data_config(model=build(chosen, CLASSES))
        transform = timm.data.create_transform(**config)
    expected = transform(image).numpy()
    ours = chosen.preprocessing
    pixels = preprocess(data, ours, margin=None).pixels / 255
    found = ((pixels - ours.mean) / ours.std).transpose(2, 0, 1)
    # In steps of 1/255: rounding may differ in single pixels.
    steps = np.abs(found - expected) * 255 * np.array(ours.std)[:, None, None]
    assert steps.mean() < 0.01
    assert steps.max() < 2.5


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        # From the papers, or as torchvision and timm list them; without auxiliary heads.
        ("alexnet", 61.1), ("vgg16", 138.4), ("vgg19", 143.7), ("googlenet", 6.6),
        ("resnet18", 11.7), ("resnet50", 25.6), ("resnet152", 60.2), ("densenet121", 8.0),
        ("squeezenet1_1", 1.2), ("mobilenet_v2", 3.5), ("efficientnet_b0", 5.3),
        ("convnext_tiny", 28.6), ("vit_b_16", 86.6), ("swin_t", 28.3), ("xception", 22.9),
        ("inception_resnet_v2", 55.8), ("dpn131", 79.3), ("senet154", 115.1),
        ("nasnet_a_large", 88.8), ("pnasnet5_large", 86.1),
    ],
)  # fmt: skip
def test_parameters_are_as_many_as_the_literature_says(name: str, millions: float) -> None:
    assert parameters(build(backbone(name), 1000)) / 1e6 == pytest.approx(millions, abs=0.051)


def test_lenet5_has_the_layers_of_the_paper() -> None:
    # C1: 6 maps of 5x5 (here of 3 colours), C3: 16 of 5x5, C5: 120, F6: 84, then 10.
    expected = (3 * 25 + 1) * 6 + (6 * 25 + 1) * 16 + 401 * 120 + 121 * 84 + 85 * 10
    assert parameters(build(backbone("lenet5"), 10)) == expected
