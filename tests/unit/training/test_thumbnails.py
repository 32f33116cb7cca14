"""Small pictures of what a model learned from."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import thumbnails as files
from training import thumbnails


@pytest.mark.parametrize(
    ("size", "shown"), [((224, 224), (96, 96)), ((100, 200), (96, 48)), ((32, 32), (32, 32))]
)
def test_they_show_the_crops_in_order_no_larger_than_they_have_to(
    tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250]], dtype=np.uint8)
    crops = np.broadcast_to(colours[:, np.newaxis, np.newaxis], (3, *size, 3))

    thumbnails.save(tmp_path / "thumbnails.npz", crops)

    found = files.read(tmp_path / "thumbnails.npz", images=3)
    for row, colour in enumerate(colours):
        with Image.open(BytesIO(found[row])) as picture:
            assert (picture.format, picture.size) == ("JPEG", shown)
            assert not picture.getexif()
            np.testing.assert_allclose(np.asarray(picture).mean(axis=(0, 1)), colour, atol=8)
