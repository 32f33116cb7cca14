"""Which mishaps change an answer, by models whose answers can be told in advance."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from service.core.network import Network
from service.core.robustness.mishaps import (
    Corruptions,
    CropCheck,
    Jpeg,
    Noise,
    Rotation,
    Translation,
)
from service.core.robustness.subject import Subject

Crops = npt.NDArray[np.uint8]


def unasked(_: Any) -> Any:
    raise AssertionError("a mishap asks the served model alone")


def subject_of(crop: Crops, says_one: Callable[[Crops], npt.NDArray[np.bool_]]) -> Subject:
    """A model of two classes that says 1 where `says_one`; its answer for the crop is 0."""

    def serve(crops: Crops) -> npt.NDArray[np.float32]:
        one = says_one(crops).astype(np.float32)
        return np.stack([1 - one, 2 * one], axis=1)

    assert not says_one(crop[np.newaxis])[0]
    return Subject(Network(unasked, classes=2), serve, crop, 0, ("zero", "one"))


@pytest.fixture
def dot() -> Crops:
    """Black with a white square of 4 pixels near the middle."""
    crop = np.zeros((40, 40, 3), dtype=np.uint8)
    crop[18:20, 20:22] = 255
    return crop


def test_a_shift_beyond_the_middle_is_found(dot: Crops) -> None:
    def in_the_left_half(crops: Crops) -> npt.NDArray[np.bool_]:
        return np.asarray(crops[:, :, :20].any(axis=(1, 2, 3)))

    found = Translation(share=0.1).examine(subject_of(dot, in_the_left_half))

    assert not found.survived
    assert found.answer == 1
    assert found.note is not None
    assert "horizontal by -0.1" in found.note
    assert "2 of 8 change the answer" in found.note


def test_a_turn_is_found(dot: Crops) -> None:
    dot[:] = 0
    dot[2, 20] = 255

    def off_the_axis(crops: Crops) -> npt.NDArray[np.bool_]:
        columns = crops.max(axis=(1, 3)).argmax(axis=1)
        return np.asarray(np.abs(columns - 20) > 5)

    assert not Rotation(degrees=30).examine(subject_of(dot, off_the_axis)).survived
    assert Rotation(degrees=3).examine(subject_of(dot, off_the_axis)).survived


def test_a_closer_crop_loses_what_is_at_the_border(dot: Crops) -> None:
    dot[0] = 255

    def has_no_bright_row(crops: Crops) -> npt.NDArray[np.bool_]:
        return np.asarray(~(crops[:, :, 0, 0] > 200).any(axis=1))

    found = CropCheck(keep=0.8).examine(subject_of(dot, has_no_bright_row))

    assert not found.survived
    assert found.note is not None
    assert "3 of 5 change" in found.note  # the lower corners and the centre


def test_jpeg_is_pillows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)

    def differs(crops: Crops) -> npt.NDArray[np.bool_]:
        return np.asarray((crops != noise).any(axis=(1, 2, 3)))

    found = Jpeg(quality=10).examine(subject_of(noise, differs))

    assert not found.survived
    assert found.image is not None
    stored = Image.fromarray(found.image)
    assert stored.size == (16, 16)


def test_noise_has_its_sigma() -> None:
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    subject = subject_of(grey, lambda crops: np.zeros(len(crops), dtype=np.bool_))

    found = Noise(sigma=0.1).examine(subject)

    assert found.survived
    assert found.image is not None
    assert found.image.std() == pytest.approx(25.5, rel=0.03)


def test_the_worst_corruption_is_named() -> None:
    grey = np.full((32, 32, 3), 100, dtype=np.uint8)

    def evenly_lighter(crops: Crops) -> npt.NDArray[np.bool_]:
        return np.asarray((crops.min(axis=(1, 2, 3)) > 130) & (crops.std(axis=(1, 2, 3)) < 1))

    found = Corruptions(severity=3).examine(subject_of(grey, evenly_lighter))

    assert not found.survived
    assert found.note == "worst: brightness; 1 of 14 change the answer"
