"""Bundles of untrained networks, in fp32 and fp16: speed does not depend on the weights."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models import bundle as bundles
from models.bundle import Bundle
from models.manifest import Precision, Provenance
from models.repository import Repository
from training.backbones import backbone, parameters
from training.compression import compress
from training.examples import example
from training.export import libraries, read_labels, write
from training.instrument import Instrumented
from training.randomize import randomize


@dataclass(frozen=True)
class Untrained:
    """A network, and its bundles by precision."""

    network: Instrumented
    bundles: dict[Precision, Bundle]


def make(name: str, repository: Repository) -> Untrained:
    """Publish a backbone's bundles under its name, and with `_fp16` behind it.

    Raises:
        ExportError: there is no such backbone, or it cannot be exported.
    """
    chosen = backbone(name)
    labels = read_labels(None, None)
    torch.manual_seed(0)
    network = Instrumented(chosen.build(len(labels)), chosen, chosen.preprocessing).eval()
    randomize(network, example(chosen.preprocessing, 4, seed=1))
    network.requires_grad_(requires_grad=False)
    fields = {
        "name": name,
        "version": 1,
        "labels": labels,
        "provenance": Provenance(
            backbone=name,
            weights="random",
            licence="none",
            created_by="benchmarks/gpu.py",
            parameters=parameters(network.module),
            seed=0,
            libraries=libraries(),
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        exact, half = Path(folder) / "fp32", Path(folder) / "fp16"
        exact.mkdir()
        manifest = write(network, chosen, exact, fields).manifest
        shutil.copytree(exact, half)
        renamed = {**manifest.model_dump(exclude={"sha256"}), "name": f"{name}_fp16"}
        crops = np.zeros((1, *chosen.preprocessing.crop, 3), dtype=np.uint8)
        compress(bundles.write_manifest(half, renamed), Precision.FP16, crops, seed=0)
        published = {
            Precision.FP32: repository.publish(exact),
            Precision.FP16: repository.publish(half),
        }
    return Untrained(network, published)
