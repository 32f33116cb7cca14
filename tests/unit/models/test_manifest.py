"""The manifest's schema: what is refused, and why."""

from typing import Any

import pytest
from pydantic import ValidationError

from models.manifest import Graph, Manifest

HASHES = {"model.onnx": "0" * 64}


def manifest(fields: dict[str, Any], **changes: object) -> Manifest:
    return Manifest.model_validate({"sha256": HASHES} | fields | changes)


def test_a_manifest_survives_json(fields: dict[str, Any]) -> None:
    made = manifest(fields)
    assert Manifest.model_validate_json(made.model_dump_json()) == made
    assert made.graphs[Graph.MODEL].inputs[0].shape == ("N", 28, 28, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "blue"}, "Extra inputs"),
        ({"schema_version": 2}, "Input should be 1"),
        ({"name": "../etc"}, "match pattern"),
        ({"name": "tiny\n"}, "match pattern"),
        ({"version": 0}, "greater than or equal to 1"),
        ({"labels": []}, "at least 1"),
        ({"graphs": {}}, "model.onnx"),
        ({"sha256": {}}, "no sha256 for model.onnx"),
        ({"sha256": {"model.onnx": "abc"}}, "match pattern"),
        ({"sha256": HASHES | {"../weights.bin": "0" * 64}}, "match pattern"),
        ({"precision": "fp8"}, "'fp32', 'fp16' or 'int8'"),
    ],
)
def test_a_broken_manifest_is_refused(
    fields: dict[str, Any], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        manifest(fields, **changes)


def test_a_crop_larger_than_the_resized_photo_is_refused(fields: dict[str, Any]) -> None:
    preprocessing = fields["preprocessing"] | {"crop": [28, 33]}
    with pytest.raises(ValidationError, match="larger than the resized photo"):
        manifest(fields, preprocessing=preprocessing)


@pytest.mark.parametrize("name", sorted(Manifest.model_fields.keys() - {"schema_version"}))
def test_every_field_has_to_be_stated(fields: dict[str, Any], name: str) -> None:
    complete: dict[str, Any] = {"sha256": HASHES} | fields
    del complete[name]
    with pytest.raises(ValidationError, match="Field required"):
        Manifest.model_validate(complete)


def test_a_manifest_does_not_change(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        manifest(fields).version = 2  # type: ignore[misc]
