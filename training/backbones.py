"""The zoo: which network, from which library, and which of its layers explains it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import timm
import torchvision
from timm.models import PretrainedCfg
from torch import nn

from models.errors import ExportError
from models.manifest import Preprocessing, Resampling
from training import classic

Source = StrEnum("Source", ["TORCHVISION", "TIMM", "SEEWHY"])


class Layout(StrEnum):
    """How the explained layer lays out its output."""

    NCHW = "nchw"
    NHWC = "nhwc"
    TOKENS = "tokens"
    """[N, 1 + h w, C]: a class token, then the patches in rows."""


@dataclass(frozen=True)
class Backbone:
    """One network of the zoo.

    `key` is its name in its library, `layer` the module whose output is explained (None
    where there is no spatial layer), `options` go to its constructor.
    """

    name: str
    source: Source
    key: str
    layer: str | None
    layout: Layout = Layout.NCHW
    options: tuple[tuple[str, Any], ...] = ()

    def build(self, classes: int) -> nn.Module:
        """The network with random weights, in evaluation mode, logits [N, classes]."""
        options = dict(self.options)
        module: nn.Module
        if self.source is Source.TORCHVISION:
            module = torchvision.models.get_model(
                self.key, weights=None, num_classes=classes, **options
            )
        elif self.source is Source.TIMM:
            module = timm.create_model(self.key, num_classes=classes, **options)
        else:
            module = CLASSIC[self.key](classes)
        module.eval()
        return module

    @property
    def preprocessing(self) -> Preprocessing:
        """The published preprocessing of its pretrained weights."""
        if self.source is Source.TORCHVISION:
            return _torchvision_preprocessing(self.key)
        if self.source is Source.TIMM:
            return _timm_preprocessing(self.key)
        half = (0.5, 0.5, 0.5)
        return Preprocessing(
            resize=classic.SIZE, crop=(classic.SIZE, classic.SIZE),
            resampling=Resampling.BILINEAR, mean=half, std=half,
        )  # fmt: skip


CLASSIC: Final[dict[str, Callable[[int], nn.Module]]] = {
    "lenet5": classic.LeNet5,
    "mlp": classic.mlp,
    "linear": classic.linear,
}


def backbone(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        ExportError: the zoo has none; the message lists those it has.
    """
    for known in ZOO:
        if known.name == name:
            return known
    raise ExportError(f"no backbone {name!r}; there are {', '.join(b.name for b in ZOO)}")


def _torchvision(
    name: str, layer: str, layout: Layout = Layout.NCHW, **options: object
) -> Backbone:
    return Backbone(name, Source.TORCHVISION, name, layer, layout, tuple(options.items()))


def _timm(name: str, key: str, layer: str) -> Backbone:
    return Backbone(name, Source.TIMM, key, layer)


ZOO: Final[tuple[Backbone, ...]] = (
    _torchvision("alexnet", "features.11"),
    _torchvision("vgg16", "features.29"),
    _torchvision("vgg19", "features.35"),
    _torchvision(
        "googlenet", "inception5b", aux_logits=False, init_weights=False, transform_input=True
    ),
    _torchvision(
        "inception_v3", "Mixed_7c", aux_logits=False, init_weights=False, transform_input=True
    ),
    _torchvision("resnet18", "layer4"),
    _torchvision("resnet34", "layer4"),
    _torchvision("resnet50", "layer4"),
    _torchvision("resnet101", "layer4"),
    _torchvision("resnet152", "layer4"),
    _torchvision("resnext101_64x4d", "layer4"),
    _torchvision("wide_resnet50_2", "layer4"),
    _torchvision("densenet121", "features"),
    _torchvision("squeezenet1_1", "features"),
    _torchvision("shufflenet_v2_x1_0", "conv5"),
    _torchvision("mobilenet_v2", "features"),
    _torchvision("mobilenet_v3_small", "features"),
    _torchvision("mobilenet_v3_large", "features"),
    _torchvision("mnasnet1_0", "layers"),
    _torchvision("efficientnet_b0", "features"),
    _timm("efficientnet_lite0", "tf_efficientnet_lite0", "bn2"),
    _timm("efficientnet_lite1", "tf_efficientnet_lite1", "bn2"),
    _timm("efficientnet_lite2", "tf_efficientnet_lite2", "bn2"),
    _torchvision("regnet_y_400mf", "trunk_output"),
    _torchvision("convnext_tiny", "features"),
    _torchvision("vit_b_16", "encoder.layers.encoder_layer_11.ln_1", Layout.TOKENS),
    _torchvision("swin_t", "norm", Layout.NHWC),
    _timm("xception", "legacy_xception", "act4"),
    _timm("inception_resnet_v2", "inception_resnet_v2", "conv2d_7b"),
    _timm("dpn131", "dpn131", "features"),
    _timm("senet154", "legacy_senet154", "layer4"),
    _timm("nasnet_a_large", "nasnetalarge", "act"),
    _timm("pnasnet5_large", "pnasnet5large", "act"),
    Backbone("lenet5", Source.SEEWHY, "lenet5", "features"),
    Backbone("mlp", Source.SEEWHY, "mlp", None),
    Backbone("linear", Source.SEEWHY, "linear", None),
)


def parameters(module: nn.Module) -> int:
    """The number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def pretrained_config(key: str) -> PretrainedCfg:
    """What timm publishes about a network's default weights.

    Raises:
        ExportError: timm publishes none.
    """
    config = timm.models.get_pretrained_cfg(key)
    if config is None:
        raise ExportError(f"timm has no pretrained weights of {key}")
    return config


def _torchvision_preprocessing(key: str) -> Preprocessing:
    transform = torchvision.models.get_model_weights(key).DEFAULT.transforms()
    (resize,), (crop,) = transform.resize_size, transform.crop_size
    return Preprocessing(
        resize=resize,
        crop=(crop, crop),
        resampling=Resampling(transform.interpolation.value),
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )


def _timm_preprocessing(key: str) -> Preprocessing:
    config = pretrained_config(key)
    _, height, width = config.input_size
    return Preprocessing(
        resize=math.floor(min(height, width) / config.crop_pct),
        crop=(height, width),
        resampling=Resampling(config.interpolation),
        mean=tuple(config.mean),
        std=tuple(config.std),
    )
