"""Turned and shifted images, beside scikit-image's and hand-made ones."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage import data
from skimage.transform import rotate

from service.core.robustness.geometry import ANGLES, SHIFTS, Axis, rotated, shifted

Crops = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def photos() -> Crops:
    """[2, 60, 80, 3]."""
    sized = Image.fromarray(data.chelsea()).resize((80, 60))
    return np.stack([np.asarray(sized), np.asarray(sized)[::-1]])


@pytest.mark.parametrize("angle", ANGLES)
def test_images_turn_as_scikit_image_turns_them(photos: Crops, angle: int) -> None:
    found = rotated(photos, angle)

    expected = [
        rotate(photo, angle, order=1, mode="reflect", preserve_range=True) for photo in photos
    ]
    assert found.dtype == np.uint8
    assert np.abs(found - np.stack(expected)).max() <= 0.51  # rounded to whole levels


def test_a_positive_angle_is_counter_clockwise(photos: Crops) -> None:
    square = photos[:, :, :60]

    assert np.array_equal(rotated(square, 90), np.rot90(square, axes=(1, 2)))


def test_a_positive_share_is_to_the_right_or_down(photos: Crops) -> None:
    right = shifted(photos, 0.1, Axis.HORIZONTAL)
    down = shifted(photos, 0.1, Axis.VERTICAL)

    assert np.array_equal(right[:, :, 8:], photos[:, :, :-8])
    assert np.array_equal(down[:, 6:], photos[:, :-6])


def test_what_comes_into_view_is_mirrored() -> None:
    row = np.arange(10, dtype=np.uint8).reshape(1, 1, 10, 1).repeat(3, axis=3)

    assert shifted(row, 0.3, Axis.HORIZONTAL)[0, 0, :, 0].tolist() == [3, 2, 1, 0, 1, 2, 3, 4, 5, 6]
    assert shifted(row, -0.2, Axis.HORIZONTAL)[0, 0, :, 0].tolist() == [*range(2, 10), 8, 7]


@pytest.mark.parametrize("axis", Axis)
def test_without_an_amount_an_image_stays_as_it_is(photos: Crops, axis: Axis) -> None:
    assert np.array_equal(rotated(photos, 0), photos)
    assert np.array_equal(shifted(photos, 0, axis), photos)


@pytest.mark.parametrize("angle", ANGLES)
def test_no_black_corner_comes_into_a_white_image(angle: int) -> None:
    white = np.full((1, 32, 32, 3), 255, dtype=np.uint8)

    assert (rotated(white, angle) == 255).all()


@pytest.mark.parametrize("amounts", [ANGLES, SHIFTS])
def test_amounts_go_as_far_one_way_as_the_other(amounts: tuple[float, ...]) -> None:
    assert sorted(amounts) == list(amounts) == [-amount for amount in reversed(amounts)]
    assert 0 in amounts
