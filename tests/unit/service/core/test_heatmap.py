from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from service.core import heatmap
from service.core.heatmap import Style
from service.core.palettes import colours


def drawn(png: bytes) -> npt.NDArray[np.int16]:
    with Image.open(BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image, dtype=np.int16)


def test_the_picture_has_the_photos_size() -> None:
    photo = np.zeros((30, 70, 3), dtype=np.uint8)
    picture = drawn(heatmap.draw(photo, np.ones((8, 8)), (20, 0, 50, 30)))
    assert picture.shape == photo.shape


def test_heat_lies_where_the_map_lies_in_the_photo() -> None:
    photo = np.full((40, 100, 3), 128, dtype=np.uint8)
    saliency = np.zeros((8, 8), dtype=np.float32)
    saliency[0:4, 4:8] = 1
    picture = drawn(heatmap.draw(photo, saliency, (30, 0, 70, 40))).sum(axis=2)
    hot = picture > (picture.min() + picture.max()) / 2
    rows, columns = np.nonzero(hot)
    # The upper right quarter of a crop that covers columns 30 to 70.
    assert (columns.min(), columns.max() + 1) == pytest.approx((50, 70), abs=1)
    assert (rows.min(), rows.max() + 1) == pytest.approx((0, 20), abs=1)


def test_the_photo_shows_through() -> None:
    photo = np.zeros((40, 40, 3), dtype=np.uint8)
    photo[:, 20:] = 255
    picture = drawn(heatmap.draw(photo, np.ones((4, 4)), (0, 0, 40, 40)))
    assert (picture[20, 30] > picture[20, 10]).all()


def test_a_single_bright_pixel_does_not_hide_the_rest() -> None:
    photo = np.zeros((100, 100, 3), dtype=np.uint8)
    saliency = np.full((100, 100), 0.5, dtype=np.float32)
    saliency[0, 0] = 1000
    bright = drawn(heatmap.draw(photo, saliency, (0, 0, 100, 100)))[50, 50].sum()
    even = drawn(heatmap.draw(photo, np.ones((100, 100)), (0, 0, 100, 100)))[50, 50].sum()
    assert bright == even


def test_sparse_maps_are_drawn_too() -> None:
    photo = np.zeros((100, 100, 3), dtype=np.uint8)
    saliency = np.zeros((100, 100), dtype=np.float32)
    saliency[40:43, 40:43] = 1e-9
    picture = drawn(heatmap.draw(photo, saliency, (0, 0, 100, 100)))
    assert picture[41, 41].sum() > picture[80, 80].sum() + 100


def test_an_all_zero_map_draws_no_heat() -> None:
    photo = np.zeros((10, 10, 3), dtype=np.uint8)
    picture = drawn(heatmap.draw(photo, np.zeros((4, 4)), (0, 0, 10, 10)))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1


def test_a_huge_photo_is_drawn_smaller_with_its_aspect() -> None:
    photo = np.zeros((1024, 4096, 3), dtype=np.uint8)
    picture = drawn(heatmap.draw(photo, np.ones((4, 4)), (1536, 0, 2560, 1024)))
    assert picture.shape[:2] == (512, 2048)
    assert picture[256, 1024].sum() > picture[256, 700].sum()


def test_a_very_thin_photo_keeps_a_pixel_of_its_short_side_and_its_heat() -> None:
    photo = np.zeros((3, 20_000, 3), dtype=np.uint8)
    picture = drawn(heatmap.draw(photo, np.ones((4, 4)), (9_000, 0, 11_000, 3)))
    assert picture.shape[:2] == (1, 2048)
    assert picture[0, 1024].sum() > picture[0, 500].sum() + 100


def test_the_box_is_drawn_at_its_edges_and_nowhere_else() -> None:
    photo = np.full((40, 60, 3), 128, dtype=np.uint8)
    flat, crop = np.zeros((4, 4)), (0, 0, 60, 40)
    plain = drawn(heatmap.draw(photo, flat, crop))
    framed = drawn(heatmap.draw(photo, flat, crop, (10, 5, 50, 35)))
    rows, columns = np.nonzero((framed != plain).any(axis=2))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (10, 5, 50, 35)
    assert (framed[5, 10:50] == 255).all()
    assert (framed[6, 11:49] == 0).all()
    assert (framed[7:33, 12:48] == plain[7:33, 12:48]).all()


def test_a_box_without_room_for_two_lines_is_drawn_too() -> None:
    photo = np.full((40, 60, 3), 128, dtype=np.uint8)
    framed = drawn(heatmap.draw(photo, np.zeros((4, 4)), (0, 0, 60, 40), (10, 5, 11, 6)))
    assert (framed[5, 10] == 255).all()


def test_the_map_alone_shows_nothing_of_the_photo() -> None:
    black, white = (np.full((30, 40, 3), value, dtype=np.uint8) for value in (0, 255))
    saliency = np.linspace(0, 1, 64).reshape(8, 8)
    crop, style = (5, 0, 35, 30), Style(view="map", colours="lagoon")
    found = drawn(heatmap.draw(black, saliency, crop, style=style))
    assert (found == drawn(heatmap.draw(white, saliency, crop, style=style))).all()
    assert {tuple(pixel) for pixel in found.reshape(-1, 3)} <= {
        tuple(colour) for colour in colours("lagoon").tolist()
    }


def test_side_by_side_has_the_photo_on_the_left_and_the_map_over_it_on_the_right() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    saliency, crop, box = np.linspace(0, 1, 64).reshape(8, 8), (5, 0, 35, 30), (8, 8, 20, 20)
    found = drawn(heatmap.draw(photo, saliency, crop, box, Style(view="beside")))
    assert found.shape == (30, 80, 3)
    assert (found[:, :40] == photo).all()
    assert (found[:, 40:] == drawn(heatmap.draw(photo, saliency, crop, box))).all()


def test_a_legend_lies_below_and_runs_through_all_colours() -> None:
    photo, saliency = np.zeros((30, 300, 3), dtype=np.uint8), np.full((4, 4), 0.5)
    crop = (100, 0, 130, 30)
    found = drawn(heatmap.draw(photo, saliency, crop, style=Style(legend=True)))
    assert found.shape == (60, 300, 3)
    assert (found[:30] == drawn(heatmap.draw(photo, saliency, crop))).all()
    bar = found[30:44]
    assert (bar == bar[:1]).all()
    assert len(np.unique(bar[0], axis=0)) > 250
    assert (bar[0, [0, -1]] == colours("ember")[[0, -1]]).all()


def test_a_legend_states_the_largest_value() -> None:
    photo, crop = np.zeros((30, 300, 3), dtype=np.uint8), (100, 0, 130, 30)
    text = {
        value: drawn(heatmap.draw(photo, np.full((4, 4), value), crop, style=Style(legend=True)))
        for value in (0.5, 0.25)
    }
    left, right = np.s_[44:, :150], np.s_[44:, 150:]
    assert (text[0.5][left] == text[0.25][left]).all()  # zero
    assert (text[0.5][right] != text[0.25][right]).any()


def test_a_legend_fits_below_the_narrowest_picture() -> None:
    photo = np.zeros((5, 1, 3), dtype=np.uint8)
    style = Style(legend=True)
    assert drawn(heatmap.draw(photo, np.ones((4, 4)), (0, 0, 1, 5), style=style)).shape == (
        35,
        1,
        3,
    )
