"""An image, its change and the outcome side by side."""

from io import BytesIO

import numpy as np
from PIL import Image

from service.core.robustness.picture import compare


def test_an_unchanged_image_has_a_grey_middle() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)

    found = compare(image, image)

    with Image.open(BytesIO(found.png)) as drawn:
        pixels = np.asarray(drawn)
    assert pixels.shape == (6, 3 * 5 + 2 * 8, 3)
    assert (pixels[:, 13:18] == 128).all()
    np.testing.assert_array_equal(pixels[:, :5], image)
    np.testing.assert_array_equal(pixels[:, -5:], image)


def test_the_largest_change_fills_the_range() -> None:
    before = np.full((2, 2, 3), 200, dtype=np.uint8)
    after = before.copy()
    after[0, 0], after[1, 1] = 190, 205

    found = compare(before, after)

    with Image.open(BytesIO(found.png)) as drawn:
        middle = np.asarray(drawn)[:, 10:12].astype(int)
    assert found.factor == 12.7
    assert middle[0, 0, 0] == 1
    assert middle[1, 1, 0] == 192  # 128 + 12.7 x 5, rounded to even
