"""Labelled photos as a bundle sees them, whoever named their folders."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import DataError, UnknownClass
from models.manifest import Manifest
from service.core import targets
from training.data import sources
from training.data.crops import crops
from training.data.dataset import Split


def photos(
    path: Path, manifest: Manifest, most: int, *, seed: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Crops uint8 [N, H, W, 3] and true classes [N] of at most so many photos.

    Photos that are set apart for validation or testing are taken where there are any, else all.

    Raises:
        DataError: there are no photos, or a folder's name is no class of the model.
        ImageError: a photo cannot be decoded.
    """
    dataset = sources.read(path)
    samples = dataset.of(Split.TEST) or dataset.of(Split.VALIDATION) or dataset.samples
    nothing = np.zeros(len(manifest.labels))
    try:
        classes = [targets.resolve(name, manifest.labels, nothing).index for name in dataset.labels]
    except UnknownClass as error:
        raise DataError(f"{path}: {error}") from error
    drawn = np.sort(np.random.default_rng(seed).permutation(len(samples))[:most])
    chosen = [samples[row] for row in drawn]
    labels = np.array([classes[sample.label] for sample in chosen], dtype=np.int64)
    return crops(chosen, manifest.preprocessing), labels
