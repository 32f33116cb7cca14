"""The resizing, held to Pillow's own: its two passes one by one, and as a whole on photos."""

from importlib.metadata import files

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from models.manifest import Resampling
from models.photo import Box
from models.resizing import resize

PILLOWS = {
    Resampling.BILINEAR: Image.Resampling.BILINEAR,
    Resampling.BICUBIC: Image.Resampling.BICUBIC,
    Resampling.LANCZOS: Image.Resampling.LANCZOS,
}


def by_pillow(
    image: Image.Image, size: tuple[int, int], box: Box, resampling: Resampling
) -> npt.NDArray[np.uint8]:
    left, top, right, bottom = box
    kernel = PILLOWS[resampling]
    across = image.resize((size[0], image.height), kernel, box=(left, 0, right, image.height))
    return np.asarray(across.resize(size, kernel, box=(0, top, size[0], bottom)))


def noise(width: int, height: int) -> Image.Image:
    shape = (height, width, 3)
    return Image.fromarray(np.random.default_rng(width * height).integers(0, 256, shape, np.uint8))


sides = st.integers(1, 300)
edges = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


@settings(deadline=None, max_examples=300)
@given(
    width=sides,
    height=sides,
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    across=edges,
    down=edges,
    resampling=st.sampled_from(Resampling),
)
def test_no_value_is_further_than_two_from_pillows(
    *,
    width: int,
    height: int,
    size: tuple[int, int],
    across: list[float],
    down: list[float],
    resampling: Resampling,
) -> None:
    box = (across[0] * width, down[0] * height, across[1] * width, down[1] * height)
    assume(box[2] - box[0] > 0.5 and box[3] - box[1] > 0.5)
    image = noise(width, height)
    ours = np.asarray(resize(image, size, box, resampling)).astype(int)
    assert np.abs(ours - by_pillow(image, size, box, resampling)).max() <= 2


@pytest.mark.parametrize("resampling", Resampling)
def test_photos_become_what_pillow_makes_of_them(resampling: Resampling) -> None:
    photos = [file.locate() for file in files("foolbox") or [] if file.match("imagenet_*.jpg")]
    assert len(photos) == 20
    same = []
    for path in photos:
        image, box = Image.open(str(path)).convert("RGB"), (32.25, 16.5, 480.75, 464.125)
        ours = np.asarray(resize(image, (224, 224), box, resampling))
        theirs = np.asarray(image.resize((224, 224), PILLOWS[resampling], box=box))
        same.append(np.mean(ours == theirs))
        assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert np.mean(same) > 0.99  # Pillow keeps a box in float32


def test_an_edge_a_rounding_error_outside_is_the_images_edge() -> None:
    image = noise(40, 30)
    outside = resize(image, (20, 20), (-1e-12, -1e-12, 40 + 1e-12, 30 + 1e-12), Resampling.BICUBIC)
    inside = resize(image, (20, 20), (0, 0, 40, 30), Resampling.BICUBIC)
    assert np.array_equal(np.asarray(outside), np.asarray(inside))


def test_photos_of_many_megapixels_are_resized() -> None:
    # Pillow keeps large images in several blocks of memory.
    image = noise(50, 40).resize((7000, 5000), Image.Resampling.BILINEAR)
    ours = np.asarray(resize(image, (50, 40), (0, 0, 7000, 5000), Resampling.BICUBIC)).astype(int)
    theirs = by_pillow(image, (50, 40), (0, 0, 7000, 5000), Resampling.BICUBIC)
    assert np.abs(ours - theirs).max() <= 1
