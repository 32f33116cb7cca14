"""What a bundle shows of the images that it was made from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import thumbnails
from models.errors import BundleInvalid

FILES = (b"first", b"2nd", b"the third")


def saved(folder: Path, **changes: Any) -> Path:
    arrays: dict[str, Any] = {
        "jpeg": np.frombuffer(b"".join(FILES), np.uint8),
        "ends": np.array([5, 8, 17]),
    }
    path = folder / "thumbnails.npz"
    np.savez(path, **{n: array for n, array in (arrays | changes).items() if array is not None})
    return path


def test_each_image_has_its_own_file(tmp_path: Path) -> None:
    found = thumbnails.read(saved(tmp_path), images=3)

    assert tuple(found[row] for row in range(3)) == FILES


@pytest.mark.parametrize("name", ["jpeg", "ends"])
def test_an_array_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleInvalid, match=f"holds no {name}"):
        thumbnails.read(saved(tmp_path, **{name: None}), images=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"ends": np.array([5, 17])},
        {"ends": np.array([5, 8, 16])},
        {"ends": np.array([8, 5, 17])},
        {"ends": np.array([0, 8, 17])},
        {"ends": np.array([5.0, 8, 17])},
        {"ends": np.array([5, 8, 17])[:, np.newaxis]},
        {"jpeg": np.zeros(17)},
        {"jpeg": np.zeros((17, 1), dtype=np.uint8)},
    ],
)
def test_files_that_are_not_one_for_each_image_are_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(BundleInvalid, match="no JPEG of each of the 3 images"):
        thumbnails.read(saved(tmp_path, **changes), images=3)
