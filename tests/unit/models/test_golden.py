"""Golden inputs and outputs: a provider that computes something else is found out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import golden
from models.errors import BundleInvalid, GoldenMismatch
from models.manifest import Graph, Tolerances

TOLERANCES = Tolerances(logits=1e-4, gradient_cosine=0.999)


def stored() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        "image": random.integers(0, 256, (2, 5, 7, 3), dtype=np.uint8),
        "cotangent": np.eye(2, 4, dtype=np.float32),
        "logits": random.normal(size=(2, 4)),
        "input_gradient": random.normal(size=(2, 3, 5, 7)).astype(np.float16),
    }


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    arrays = stored()
    np.savez_compressed(tmp_path / "golden.npz", **arrays)
    found = golden.read(tmp_path / "golden.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_a_missing_file_is_invalid(tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match="golden"):
        golden.read(tmp_path / "golden.npz")


def test_what_is_no_archive_of_arrays_is_invalid(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    np.savez_compressed(path, **stored())
    archive = path.read_bytes()
    with (tmp_path / "alone.npy").open("wb") as file:
        np.save(file, np.ones(3))
    alone = (tmp_path / "alone.npy").read_bytes()
    objects = tmp_path / "objects.npz"
    np.savez(objects, image=np.array([{}], dtype=object))
    middle = len(archive) // 2
    altered = archive[:middle] + bytes(16) + archive[middle + 16 :]
    for content in (b"", b"text", archive[:-30], alone, objects.read_bytes(), altered):
        path.write_bytes(content)
        with pytest.raises(BundleInvalid):
            golden.read(path)


def test_the_model_is_fed_bytes_and_the_others_channels_first_floats() -> None:
    arrays = stored()
    assert golden.feeds(arrays, Graph.MODEL, ("image",))["image"] is arrays["image"]
    fed = golden.feeds(arrays, Graph.CAM, ("image", "cotangent"))
    assert fed["image"].shape == (2, 3, 5, 7)
    assert fed["image"].dtype == np.float32
    assert fed["image"][1, 2, 3, 4] == pytest.approx(arrays["image"][1, 3, 4, 2] / 255)
    assert fed["cotangent"] is arrays["cotangent"]


def test_an_input_without_a_golden_array_is_invalid() -> None:
    with pytest.raises(BundleInvalid, match="softmax_weight"):
        golden.feeds(stored(), Graph.GRADIENT, ("image", "softmax_weight"))


def test_equal_outputs_pass() -> None:
    arrays = stored()
    outputs = {name: arrays[name] for name in ("logits", "input_gradient")}
    golden.compare(Graph.GRADIENT, outputs, arrays, TOLERANCES)


@pytest.mark.parametrize(("factor", "passes"), [(1 + 0.9e-4, True), (1 + 1.1e-4, False)])
def test_logits_may_be_off_by_their_relative_l2_tolerance(factor: float, *, passes: bool) -> None:
    arrays = stored()
    outputs = {"logits": arrays["logits"] * factor}
    if passes:
        golden.compare(Graph.MODEL, outputs, arrays, TOLERANCES)
    else:
        with pytest.raises(GoldenMismatch, match=r"model\.onnx: logits"):
            golden.compare(Graph.MODEL, outputs, arrays, TOLERANCES)


@pytest.mark.parametrize("name", ["logits", "activations"])
@pytest.mark.parametrize(("factor", "passes"), [(1.09, True), (1.11, False)])
def test_every_output_of_a_rounded_model_has_the_tolerance_for_it(
    name: str, factor: float, *, passes: bool
) -> None:
    arrays = stored() | {"activations": np.full((2, 3, 4, 4), 0.5, dtype=np.float32)}
    outputs = {name: arrays[name] * factor}
    tolerances = Tolerances(rounded=0.1)
    if passes:
        golden.compare(Graph.MODEL, outputs, arrays, tolerances)
    else:
        with pytest.raises(GoldenMismatch, match=name):
            golden.compare(Graph.MODEL, outputs, arrays, tolerances)


def test_beside_a_rounded_model_the_other_graphs_are_held_as_ever() -> None:
    arrays = stored()
    with pytest.raises(GoldenMismatch, match=r"cam\.onnx: logits"):
        golden.compare(
            Graph.CAM, {"logits": arrays["logits"] * 1.001}, arrays, Tolerances(rounded=0.1)
        )


def test_gradients_are_compared_by_direction_image_by_image() -> None:
    arrays = stored()
    gradient = arrays["input_gradient"].astype(np.float64)
    golden.compare(Graph.GRADIENT, {"input_gradient": 1.04 * gradient}, arrays, TOLERANCES)
    gradient[1] += np.random.default_rng(1).normal(size=gradient[1].shape)
    with pytest.raises(GoldenMismatch, match="cosine"):
        golden.compare(Graph.GRADIENT, {"input_gradient": gradient}, arrays, TOLERANCES)


@pytest.mark.parametrize("factor", [0.5, 0.95, 1.05, 2])
def test_gradients_of_another_length_are_found_out(factor: float) -> None:
    arrays = stored()
    gradient = factor * arrays["input_gradient"].astype(np.float64)
    with pytest.raises(GoldenMismatch, match="points as its reference does"):
        golden.compare(Graph.GRADIENT, {"input_gradient": gradient}, arrays, TOLERANCES)


@pytest.mark.parametrize("name", ["logits", "input_gradient"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_have_to_be_finite(name: str, value: float) -> None:
    arrays = stored()
    output = arrays[name].astype(np.float32)
    output.flat[0] = value
    with pytest.raises(GoldenMismatch, match="not finite"):
        golden.compare(Graph.GRADIENT, {name: output}, arrays, TOLERANCES)


def test_another_shape_is_a_mismatch() -> None:
    arrays = stored()
    with pytest.raises(GoldenMismatch, match="shape"):
        golden.compare(Graph.MODEL, {"logits": arrays["logits"][:1]}, arrays, TOLERANCES)


def test_an_output_without_a_golden_array_is_invalid() -> None:
    with pytest.raises(BundleInvalid, match="embedding"):
        golden.compare(Graph.MODEL, {"embedding": np.ones((2, 3))}, stored(), TOLERANCES)


def test_the_cosine_of_zeros() -> None:
    zeros, ones = np.zeros(3), np.ones(3)
    assert golden.cosine(zeros, zeros) == 1
    assert golden.cosine(zeros, ones) == 0


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["logits", "input_gradient"])
def test_a_reference_that_nothing_can_miss_is_invalid(
    tmp_path: Path, name: str, number: float
) -> None:
    arrays = stored()
    arrays[name].flat[0] = number
    np.savez_compressed(tmp_path / "golden.npz", **arrays)

    with pytest.raises(BundleInvalid, match=f"{name} holds what is no finite number"):
        golden.read(tmp_path / "golden.npz")


@pytest.mark.parametrize("rows", [slice(0, 0), 0])
def test_a_reference_of_no_rows_is_invalid(tmp_path: Path, rows: slice | int) -> None:
    arrays = {name: array[rows] for name, array in stored().items()}
    np.savez_compressed(tmp_path / "golden.npz", **arrays)

    with pytest.raises(BundleInvalid, match="the same number of rows, at least one"):
        golden.read(tmp_path / "golden.npz")


def test_a_reference_of_words_is_invalid(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "golden.npz", **stored() | {"logits": np.array(["a", "b"])})

    with pytest.raises(BundleInvalid, match="logits holds"):
        golden.read(tmp_path / "golden.npz")


def test_the_classifiers_weight_is_held_against_the_reference() -> None:
    random = np.random.default_rng(0)
    activations = random.normal(size=(3, 6, 2, 2))
    weight, bias = random.normal(size=(4, 6)).astype(np.float32), random.normal(size=4)
    reference = {"activations": activations, "logits": activations.mean((2, 3)) @ weight.T + bias}

    golden.compare_head(weight, reference, TOLERANCES)
    with pytest.raises(GoldenMismatch, match="the classifier's weight"):
        golden.compare_head(np.roll(weight, 1, axis=0), reference, TOLERANCES)
