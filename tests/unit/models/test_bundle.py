"""A bundle's folder: reading, verifying, writing."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import bundle
from models.bundle import Bundle
from models.errors import BundleInvalid, BundleNotFound
from models.manifest import CamWeights, Graph

Stage = Callable[..., Bundle]


def rewrite(staged: Bundle, **changes: object) -> None:
    path = staged.directory / bundle.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_was_written_is_read_and_verified(stage: Stage) -> None:
    staged = stage(labels=["chat", "écureuil"])
    found = bundle.read(staged.directory)
    assert found == staged
    assert found.manifest.labels == ("chat", "écureuil")
    assert found.graph(Graph.MODEL).read_bytes() == b"graph"
    assert str(found) == "tiny version 1"
    bundle.verify(found)


def test_the_manifest_hashes_every_other_file(stage: Stage) -> None:
    assert dict(stage(weights=b"abc").manifest.sha256) == {
        "golden.npz": hashlib.sha256(b"golden").hexdigest(),
        "model.onnx": hashlib.sha256(b"graph").hexdigest(),
        "weights.bin": hashlib.sha256(b"abc").hexdigest(),
    }


def test_a_folder_without_a_manifest_holds_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match=r"no manifest\.json"):
        bundle.read(tmp_path)


def test_a_manifest_that_cannot_be_read_is_invalid(tmp_path: Path) -> None:
    (tmp_path / bundle.MANIFEST).mkdir()
    with pytest.raises(BundleInvalid, match=r"manifest\.json cannot be read: Is a directory"):
        bundle.read(tmp_path)


@pytest.mark.parametrize("name", ["weights.bin", "golden.npz"])
def test_what_every_bundle_has_must_be_in_the_manifest(stage: Stage, name: str) -> None:
    staged = stage()
    (staged.directory / name).unlink()
    fields = staged.manifest.model_dump(mode="json", exclude={"sha256"})
    without = bundle.write_manifest(staged.directory, fields)
    with pytest.raises(BundleInvalid, match=f"{name} is not in the manifest"):
        bundle.verify(without)


def test_a_missing_file_is_named(stage: Stage) -> None:
    staged = stage()
    (staged.directory / "weights.bin").unlink()
    with pytest.raises(BundleInvalid, match=r"weights\.bin is missing"):
        bundle.verify(staged)


def test_an_altered_file_is_named(stage: Stage) -> None:
    staged = stage()
    (staged.directory / "weights.bin").write_bytes(b"weightz")
    with pytest.raises(BundleInvalid, match=r"weights\.bin has been altered"):
        bundle.verify(staged)


def test_only_the_named_files_are_verified(stage: Stage) -> None:
    staged = stage()
    (staged.directory / "weights.bin").unlink()
    bundle.verify(staged, ["model.onnx"])
    with pytest.raises(BundleInvalid, match=r"notes\.txt is not in the manifest"):
        bundle.verify(staged, ["notes.txt"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "blue"}, "colour"),
        ({"schema_version": 2}, "schema_version"),
        ({"sha256": {"model.onnx": "abc"}}, "sha256"),
    ],
)
def test_a_manifest_against_the_schema_is_one_line_that_names_the_field(
    stage: Stage, changes: dict[str, object], message: str
) -> None:
    staged = stage()
    rewrite(staged, **changes)
    with pytest.raises(BundleInvalid, match=message) as caught:
        bundle.read(staged.directory)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '"tiny"', "\xff"])
def test_a_manifest_that_is_no_json_object_is_invalid(stage: Stage, text: str) -> None:
    staged = stage()
    (staged.directory / bundle.MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(BundleInvalid):
        bundle.read(staged.directory)


def test_writing_a_broken_manifest_leaves_none(tmp_path: Path, fields: dict[str, Any]) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    with pytest.raises(BundleInvalid, match="labels"):
        bundle.write_manifest(tmp_path, fields | {"labels": []})
    assert not (tmp_path / bundle.MANIFEST).exists()


def linear_head(directory: Path, source: Bundle, offset: int) -> Bundle:
    """A copy of a manifest that places a weight [4, 3] in a `weights.bin` of 14 numbers."""
    np.arange(14, dtype="<f4").tofile(directory / "weights.bin")
    layer = source.manifest.explained_layer
    assert layer is not None
    weights = CamWeights(weight="head", offset=offset, shape=(4, 3))
    linear = layer.model_copy(update={"cam": weights})
    return Bundle(directory, source.manifest.model_copy(update={"explained_layer": linear}))


def test_the_classifiers_weight_is_read_where_the_manifest_places_it(
    tmp_path: Path, tiny_bundle: Bundle
) -> None:
    found = bundle.cam_weights(linear_head(tmp_path, tiny_bundle, offset=8))
    np.testing.assert_array_equal(found, np.arange(2, 14).reshape(4, 3))


def test_a_weight_past_the_end_of_the_file_is_refused(tmp_path: Path, tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleInvalid, match="ends before the classifier's weight head"):
        bundle.cam_weights(linear_head(tmp_path, tiny_bundle, offset=12))


def test_a_bundle_of_another_head_has_no_such_weight(tiny_bundle: Bundle) -> None:
    assert bundle.cam_weights(tiny_bundle) is None
