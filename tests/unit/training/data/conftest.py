"""Photos in folders, as a user has them."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

Save = Callable[[str, Image.Image], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes a photo below the test's folder, in the format that its name says."""

    def write(name: str, photo: Image.Image) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path)
        return path

    return write


@pytest.fixture(scope="session")
def photos() -> dict[str, Image.Image]:
    """Real photos of different things."""
    names = ("astronaut", "cat", "coffee", "rocket", "camera", "coins")
    return {name: Image.fromarray(getattr(skimage.data, name)()) for name in names}


@pytest.fixture(scope="session")
def saved_anew() -> Callable[[Image.Image], Image.Image]:
    """A photo after the internet: smaller, and a poorer JPEG."""

    def again(photo: Image.Image) -> Image.Image:
        small = photo.resize((photo.width * 2 // 3, photo.height * 2 // 3))
        buffer = BytesIO()
        small.save(buffer, "JPEG", quality=60)
        return Image.open(buffer)

    return again


@pytest.fixture(scope="session")
def noise() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
