import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.localization import mass_box, to_photo


def blob(left: int, top: int, right: int, bottom: int) -> npt.NDArray[np.float32]:
    saliency = np.zeros((50, 80), dtype=np.float32)
    saliency[top:bottom, left:right] = 1
    return saliency


def test_a_map_of_one_pixel_has_a_box_of_one_pixel() -> None:
    assert mass_box(blob(7, 3, 8, 4)) == (7, 3, 8, 4)


def test_the_box_spans_the_central_nine_tenths_of_an_even_blob() -> None:
    left, top, right, bottom = mass_box(blob(20, 10, 60, 30)) or (0, 0, 0, 0)
    assert (left, right) == (22, 58)
    assert (top, bottom) == (11, 29)


def test_stray_pixels_do_not_stretch_the_box() -> None:
    saliency = blob(20, 10, 60, 30)
    saliency[0, 0] = saliency[49, 79] = 1
    assert mass_box(saliency) == pytest.approx(mass_box(blob(20, 10, 60, 30)), abs=1)


def test_faint_background_does_not_count() -> None:
    saliency = np.maximum(blob(20, 10, 60, 30), 0.19)
    assert mass_box(saliency) == mass_box(blob(20, 10, 60, 30))


def test_the_scale_of_the_map_does_not_matter() -> None:
    tiny = blob(20, 10, 60, 30) * np.float32(1e-30)
    assert mass_box(tiny) == mass_box(blob(20, 10, 60, 30))


def test_an_all_zero_map_has_no_box() -> None:
    assert mass_box(np.zeros((5, 5), dtype=np.float32)) is None


@given(st.integers(0, 2**32 - 1))
def test_a_box_is_never_empty_and_never_outside_the_map(seed: int) -> None:
    saliency = np.random.default_rng(seed).random((9, 13)) ** 8
    left, top, right, bottom = mass_box(saliency) or (0, 0, 0, 0)
    assert 0 <= left < right <= 13
    assert 0 <= top < bottom <= 9


def test_a_box_is_carried_over_to_the_photo() -> None:
    crop = (100.0, 50.0, 500.0, 450.0)
    assert to_photo((0, 0, 200, 100), (100, 200), crop) == crop
    assert to_photo((50, 25, 100, 50), (100, 200), crop) == pytest.approx((200, 150, 300, 250))
