"""A bundle on disk: read it, verify it, write it.

A bundle is a folder: `manifest.json`, the ONNX graphs, `weights.bin` that they share,
`golden.npz` and what else its manifest lists.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from models.errors import BundleInvalid, BundleNotFound
from models.manifest import Graph, Manifest

MANIFEST = "manifest.json"
WEIGHTS = "weights.bin"
GOLDEN = "golden.npz"


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder and its manifest."""

    directory: Path
    manifest: Manifest

    def graph(self, graph: Graph) -> Path:
        """The path of one ONNX graph; it loads its tensors from `weights.bin` beside it."""
        return self.directory / graph.filename

    def __str__(self) -> str:
        return f"{self.manifest.name} version {self.manifest.version}"


def read(directory: Path) -> Bundle:
    """Read a bundle's manifest; the other files are left alone (see `verify`).

    Raises:
        BundleNotFound: there is no manifest.
        BundleInvalid: the manifest cannot be read or does not follow the schema.
    """
    path = directory / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleNotFound(f"{directory} holds no {MANIFEST}") from error
    except OSError as error:
        raise BundleInvalid(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise BundleInvalid(f"{path}: {_first_problem(error)}") from error
    return Bundle(directory, manifest)


def verify(bundle: Bundle, files: Iterable[str] | None = None) -> None:
    """Compare files (by default all that make a bundle) with the manifest's sha256.

    Raises:
        BundleInvalid: a file is missing, altered, or not in the manifest.
    """
    expected = bundle.manifest.sha256
    everything = dict.fromkeys([WEIGHTS, GOLDEN, *expected])
    for name in everything if files is None else files:
        path = bundle.directory / name
        if name not in expected:
            raise BundleInvalid(f"{bundle}: {name} is not in the manifest")
        if not path.is_file():
            raise BundleInvalid(f"{bundle}: {name} is missing")
        if sha256(path) != expected[name]:
            raise BundleInvalid(f"{bundle}: {name} has been altered: its sha256 differs")


def cam_weights(bundle: Bundle) -> npt.NDArray[np.float32] | None:
    """The classifier's weight [K, C] out of `weights.bin`, where the manifest places it.

    None where the logits are not linear in the spatial mean of the explained layer.

    Raises:
        BundleInvalid: the file is missing or ends before it.
    """
    layer = bundle.manifest.explained_layer
    if layer is None or layer.cam is None:
        return None
    rows, columns = layer.cam.shape
    path = bundle.directory / WEIGHTS
    try:
        values = np.fromfile(path, "<f4", count=rows * columns, offset=layer.cam.offset)
    except OSError as error:
        raise BundleInvalid(f"{path} cannot be read: {error.strerror}") from error
    if len(values) != rows * columns:
        raise BundleInvalid(f"{path} ends before the classifier's weight {layer.cam.weight}")
    return values.reshape(rows, columns).astype(np.float32, copy=False)


def write_manifest(directory: Path, fields: Mapping[str, object]) -> Bundle:
    """Write the manifest of a folder that holds all other files, hashing each of them.

    `fields` are the manifest's, less `sha256`.

    Raises:
        BundleInvalid: the fields do not follow the schema.
    """
    hashes = {
        path.name: sha256(path)
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name != MANIFEST
    }
    return _write(directory, {**fields, "sha256": hashes})


def renumber(bundle: Bundle, version: int) -> Bundle:
    """Have a bundle's manifest state another version; all else stays.

    Raises:
        BundleInvalid: that is no version.
    """
    return _write(bundle.directory, {**bundle.manifest.model_dump(), "version": version})


def sha256(path: Path) -> str:
    """The file's SHA-256, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(directory: Path, fields: Mapping[str, object]) -> Bundle:
    try:
        manifest = Manifest.model_validate(fields)
    except ValidationError as error:
        raise BundleInvalid(f"{directory}: {_first_problem(error)}") from error
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
    path = directory / MANIFEST
    with path.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return Bundle(directory, manifest)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "manifest"
    return f"{where}: {problem['msg']}"
