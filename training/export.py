"""From a backbone and its weights to a bundle."""

import re
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import timm.data
import torch

from models import bundle as bundles
from models.bundle import GOLDEN, Bundle
from models.errors import ExportError
from models.manifest import (
    NAME_PATTERN,
    CamWeights,
    ExplainedLayer,
    GraphSpec,
    Provenance,
    TensorSpec,
    Tolerances,
)
from models.repository import Repository
from service.runtime import loading
from service.runtime.providers import Provider, choose
from training import graphs, weights_file
from training import weights as weights_source
from training.backbones import Backbone, backbone, parameters
from training.golden import golden
from training.instrument import Instrumented
from training.weights_file import Place

LIBRARIES = ("torch", "torchvision", "timm", "onnx", "onnx-ir", "onnxscript", "onnxruntime-gpu")


@dataclass(frozen=True)
class Export:
    """What to export.

    `weights` is as `training.weights.load` takes it; `labels` one label a line, or None for
    ImageNet's; `name` the bundle's, by default the backbone's.
    """

    backbone: str
    weights: str = "default"
    labels: Path | None = None
    name: str | None = None
    seed: int = 0

    @property
    def command(self) -> str:
        """The command that makes the bundle again; files stand without their folders."""
        options = ["--backbone", self.backbone, "--weights", Path(self.weights).name]
        options += [] if self.labels is None else ["--labels", self.labels.name]
        options += [] if self.name is None else ["--name", self.name]
        options += [] if self.seed == 0 else ["--seed", str(self.seed)]
        return shlex.join(["seewhy", "export", *options])


def export(request: Export, repository: Repository) -> Bundle:
    """Export a backbone, check its graphs on ONNX Runtime, and publish the bundle.

    Raises:
        WeightsError: the weights cannot be had or do not fit.
        ExportError: the backbone cannot be exported, or the labels do not fit it.
        GoldenMismatch: a graph does not compute what PyTorch does.
    """
    chosen = backbone(request.backbone)
    name = chosen.name if request.name is None else request.name
    check_name(name)
    weights = weights_source.load(chosen, request.weights)
    labels = read_labels(request.labels, weights_source.classes(chosen, weights))
    torch.manual_seed(request.seed)
    module = chosen.build(len(labels))
    weights_source.apply(module, weights)
    network = Instrumented(module, chosen, chosen.preprocessing).eval()
    provenance = Provenance(
        backbone=chosen.name,
        weights=weights.source,
        licence=weights.licence,
        created_by=request.command,
        parameters=parameters(module),
        seed=request.seed,
        libraries=libraries(),
    )
    with tempfile.TemporaryDirectory() as folder:
        fields = {
            "name": name,
            "version": repository.next_version(name),
            "labels": labels,
            "provenance": provenance,
        }
        staged = write(network, chosen, Path(folder), fields, seed=request.seed)
        loading.check(staged, choose(Provider.CPU))
        return repository.publish(staged.directory)


def write(
    network: Instrumented,
    chosen: Backbone,
    directory: Path,
    fields: Mapping[str, object],
    *,
    seed: int = 0,
) -> Bundle:
    """Write a network's bundle into a folder.

    Args:
        network: in evaluation mode, float32.
        chosen: what the network is.
        directory: a folder; what lies there becomes part of the bundle.
        fields: the manifest's name, version, labels and provenance, and what training found.
        seed: of the golden inputs.

    Raises:
        ExportError: the network cannot be traced or differentiated.
    """
    preprocessing = chosen.preprocessing
    models = graphs.build(network, chosen.layout, preprocessing.crop)
    places = weights_file.save(models, directory)
    arrays = golden(network, chosen.layout, preprocessing.crop, seed=seed)
    np.savez_compressed(directory / GOLDEN, allow_pickle=False, **arrays)
    explained = _explained_layer(network, arrays, places)
    return bundles.write_manifest(
        directory,
        {
            "metrics": {},
            "calibration": None,
            "squeezing": None,
            **fields,
            "preprocessing": preprocessing,
            "graphs": {graph: _spec(model) for graph, model in models.items()},
            "opset": graphs.OPSET,
            "precision": "fp32",
            "tolerances": Tolerances(),
            "explained_layer": explained,
            "default_explanation": "gradient" if explained is None else "gradcam",
        },
    )


def check_name(name: str) -> None:
    """Refuse a bundle's name before any work is done for it.

    Raises:
        ExportError: it is none.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise ExportError(f"--name {name!r} is no name for a bundle: use a-z, 0-9, '_', '.', '-'")


def read_labels(path: Path | None, classes: int | None) -> tuple[str, ...]:
    """The labels by class index; ImageNet's 1000 without a file.

    Args:
        path: a file with one label a line.
        classes: how many there have to be, if that is known.

    Raises:
        ExportError: there are more or fewer labels than classes, or no such file.
    """
    if path is None:
        info = timm.data.ImageNetInfo()
        labels = tuple(info.index_to_description(i) for i in range(info.num_classes()))
        origin = "ImageNet"
    else:
        labels, origin = _labels_in(path), str(path)
    if classes is not None and len(labels) != classes:
        raise ExportError(
            f"{origin} has {len(labels)} labels, the weights {classes} classes; "
            "give a file with one label a line: --labels FILE"
        )
    return labels


def _labels_in(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"cannot read the labels: {error}") from error
    if not text:
        raise ExportError(f"{path} holds no labels")
    labels = tuple(line.strip() for line in text.split("\n"))
    if "" in labels:
        raise ExportError(f"{path}: line {labels.index('') + 1} is empty; a label stands there")
    return labels


def _explained_layer(
    network: Instrumented,
    arrays: Mapping[str, npt.NDArray[np.generic]],
    places: Mapping[str, Place],
) -> ExplainedLayer | None:
    if network.layer_name is None:
        return None
    channels, *grid = arrays["activations"].shape[1:]
    return ExplainedLayer(
        name=network.layer_name,
        channels=channels,
        grid=(grid[0], grid[1]),
        cam=_cam_weights(network, arrays, places),
    )


def _cam_weights(
    network: Instrumented,
    arrays: Mapping[str, npt.NDArray[np.generic]],
    places: Mapping[str, Place],
) -> CamWeights | None:
    """The classifier's weight, if the logits are linear in the activations' spatial mean."""
    classifier = network.module.get_submodule(network.classifier_name)
    name = f"module.{network.classifier_name}.weight"
    if not isinstance(classifier, torch.nn.Linear) or name not in places:
        return None
    pooled = arrays["activations"].astype(np.float64).mean(axis=(2, 3))
    weight = classifier.weight.detach().double().numpy()
    if pooled.shape[1] != weight.shape[1]:
        return None
    bias = 0 if classifier.bias is None else classifier.bias.detach().double().numpy()
    linear = pooled @ weight.T + bias
    if not np.allclose(linear, arrays["logits"], rtol=1e-5, atol=1e-5 * np.abs(linear).max()):
        return None
    return CamWeights(weight=name, offset=places[name].offset, shape=weight.shape)


def _spec(model: ir.Model) -> GraphSpec:
    return GraphSpec(
        inputs=tuple(_tensor_spec(value) for value in model.graph.inputs),
        outputs=tuple(_tensor_spec(value) for value in model.graph.outputs),
    )


def _tensor_spec(value: ir.Value) -> TensorSpec:
    if value.dtype is None or value.shape is None or value.name is None:
        raise ExportError(f"the type of {value.name} is not known")
    shape = tuple(dim if isinstance(dim, int) else "N" for dim in value.shape)
    return TensorSpec.model_validate(
        {"name": value.name, "dtype": value.dtype.numpy().name, "shape": shape}
    )


def libraries() -> dict[str, str]:
    """The versions of what a bundle is made with."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:  # onnxruntime-gpu is onnxruntime elsewhere
            versions["onnxruntime"] = metadata.version("onnxruntime")
    return versions
