"""What tests of the command line share."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables be as wide as they like."""
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture(scope="session")
def noisy_photos(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[int, tuple[int, int]], Path]:
    """Makes a folder of so many photos of a height and width, of which two are none."""

    def make(count: int, size: tuple[int, int]) -> Path:
        folder = tmp_path_factory.mktemp("photos")
        noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        for number in range(count):
            png = BytesIO()
            Image.fromarray(np.roll(noise, number, axis=0)).save(png, "PNG", compress_level=1)
            (folder / f"{number:03d}.png").write_bytes(png.getvalue())
        (folder / "100.png").write_bytes(b"no photo")
        (folder / "200.png").write_bytes(b"")
        return folder

    return make
