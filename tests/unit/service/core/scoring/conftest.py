"""What tests of batch scoring share."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.core.scoring.output import Model, Run
from service.core.scoring.parts import Format


@pytest.fixture(scope="session")
def photo() -> Callable[[int], bytes]:
    """From a number to a PNG of noise, 32 x 32, of one colour more than of the others."""

    def encoded(number: int) -> bytes:
        random = np.random.default_rng(number)
        pixels = random.integers(0, 120, (32, 32, 3), dtype=np.uint8)
        pixels[:, :, number % 3] += 100
        png = BytesIO()
        Image.fromarray(pixels).save(png, "PNG")
        return png.getvalue()

    return encoded


@pytest.fixture
def folder(tmp_path: Path, photo: Callable[[int], bytes]) -> Path:
    """Ten photos, of which the fourth is none."""
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(10):
        content = b"not a photo" if number == 3 else photo(number)
        (root / f"{number}.png").write_bytes(content)
    return root


@pytest.fixture
def a_run() -> Run:
    """Five photos, in parts of three."""
    return Run(
        Model("tiny", 1, "ab" * 32),
        source="photos",
        column="path",
        images=5,
        fingerprint="cd" * 32,
        top_k=5,
        embedding=False,
        box=False,
        robustness=None,
        format=Format.PARQUET,
        part_size=3,
    )
