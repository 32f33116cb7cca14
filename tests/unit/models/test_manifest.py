"""The manifest's schema: what is refused, and why."""

from typing import Any

import pytest
from pydantic import ValidationError

from models.manifest import Graph, Manifest

HASHES = {"model.onnx": "0" * 64}

SMALLER = {
    "resize": 32,
    "crop": [20, 28],
    "resampling": "bilinear",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}
THRESHOLDS = {"0.8": 0.1, "0.9": 0.3, "0.95": 0.3}
LAC = {"thresholds": THRESHOLDS}
RAPS = {"thresholds": THRESHOLDS, "penalty": 0.01, "k_reg": 2}
RISING = [float(place) for place in range(101)]
CALIBRATION: dict[str, Any] = {
    "temperature": 1.5,
    "conformal": {"lac": LAC, "raps": RAPS},
    "ood": {"energy": [-place for place in reversed(RISING)], "nearest_neighbour": RISING, "k": 10},
    "decision": {"min_probability": 0.7, "max_ood_percentile": 99},
}


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
        ({"version": 10**9}, "less than or equal to 999999999"),
        ({"preprocessing": SMALLER | {"std": [0.5, 0, 0.5]}}, "greater than 0"),
        ({"preprocessing": SMALLER | {"mean": [0.5, float("nan"), 0.5]}}, "finite number"),
        ({"metrics": {"top1": float("nan")}}, "finite number"),
        ({"labels": []}, "at least 1"),
        ({"labels": ["cat"]}, "1 labels do not fit logits of shape"),
        ({"preprocessing": SMALLER}, "does not fit images of shape"),
        ({"tolerances": {"logits": 1e9}}, "less than 1"),
        ({"graphs": {}}, "model.onnx"),
        ({"sha256": {}}, "no sha256 for model.onnx"),
        ({"sha256": {"model.onnx": "abc"}}, "match pattern"),
        ({"sha256": HASHES | {"../weights.bin": "0" * 64}}, "match pattern"),
        ({"precision": "fp8"}, "'fp32', 'fp16' or 'int8'"),
        ({"precision": "int8"}, "goes with fp16 and int8 alone"),
        ({"tolerances": {"rounded": 0.1}}, "goes with fp16 and int8 alone"),
        ({"precision": "int8", "tolerances": {"rounded": 1}}, "less than 1"),
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


def test_a_threshold_of_raps_may_be_negative(fields: dict[str, Any]) -> None:
    thresholds = {"0.8": -1.0, "0.9": -0.3, "0.95": 0.2}
    made = manifest(fields, calibration=CALIBRATION | raps(thresholds=thresholds))
    assert made.calibration is not None
    assert made.calibration.conformal is not None
    assert made.calibration.conformal.raps.thresholds == thresholds


def test_a_calibration_survives_json(fields: dict[str, Any]) -> None:
    made = manifest(fields, calibration=CALIBRATION)
    assert Manifest.model_validate_json(made.model_dump_json()) == made
    assert made.calibration is not None
    assert made.calibration.conformal is not None
    assert made.calibration.conformal.raps.k_reg == 2
    assert made.calibration.ood is not None
    assert made.calibration.ood.energy[0] == -100


@pytest.mark.parametrize("part", ["conformal", "ood", "decision"])
def test_a_calibration_needs_no_more_than_a_temperature(fields: dict[str, Any], part: str) -> None:
    without = {name: value for name, value in CALIBRATION.items() if name != part}
    assert manifest(fields, calibration=without).calibration is not None


def lac(**thresholds: float) -> dict[str, Any]:
    """A calibration with other thresholds; `p9` stands for 0.9."""
    named = {key.replace("p", "0."): value for key, value in thresholds.items()}
    return {"conformal": {"lac": {"thresholds": named}, "raps": RAPS | {"thresholds": named}}}


def ood(**changes: object) -> dict[str, Any]:
    return {"ood": CALIBRATION["ood"] | changes}


def raps(**changes: object) -> dict[str, Any]:
    return {"conformal": {"lac": LAC, "raps": RAPS | changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0}, "greater than 0"),
        ({"temperature": float("inf")}, "finite"),
        (lac(), "at least 1"),
        (lac(p9=-0.1), "greater than or equal to 0"),
        (lac(p9=1.1), "less than or equal to 1"),
        (lac(p9=float("nan")), "finite"),
        (lac(p90=0.5), "match pattern"),
        (lac(p8=0.5, p95=0.4), "does not fall where the coverage rises"),
        (raps(thresholds={"0.9": 0.3}), "the same coverages"),
        (raps(thresholds=THRESHOLDS | {"0.8": -1.1}), "greater than or equal to -1"),
        (raps(penalty=-1), "greater than or equal to 0"),
        (raps(k_reg=0), "greater than or equal to 1"),
        (ood(energy=RISING[:100]), "at least 101"),
        (ood(energy=[*RISING, 101.0]), "at most 101"),
        (ood(nearest_neighbour=RISING[::-1]), "quantiles do not fall"),
        (ood(nearest_neighbour=[*RISING[:100], float("nan")]), "finite"),
        (ood(k=0), "greater than or equal to 1"),
        ({"decision": {"min_probability": 1.1, "max_ood_percentile": 99}}, "equal to 1"),
        ({"decision": {"min_probability": 0.5, "max_ood_percentile": 101}}, "equal to 100"),
    ],
)
def test_a_calibration_out_of_range_is_refused(
    fields: dict[str, Any], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        manifest(fields, calibration=CALIBRATION | changes)
