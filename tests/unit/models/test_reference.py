"""What a bundle says of the images that it was made from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import reference
from models.errors import BundleInvalid


def arrays() -> dict[str, Any]:
    return {
        "embedding": np.arange(6, dtype=np.float16).reshape(3, 2),
        "labels": np.array([0, 1, 3]),
        "ids": np.array(["a.png", "b.png", "c.png"]),
        "predicted": np.array([2, 0, 1, 0]),
        "confidence": np.arange(20),
    }


def saved(folder: Path, **changes: Any) -> Path:
    path = folder / "reference.npz"
    kept = {name: value for name, value in (arrays() | changes).items() if value is not None}
    np.savez(path, **kept)
    return path


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    found = reference.read(saved(tmp_path), classes=4)
    for name, array in arrays().items():
        np.testing.assert_array_equal(getattr(found, name), array)


@pytest.mark.parametrize("name", list(arrays()))
def test_an_array_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleInvalid, match=f"holds no {name}"):
        reference.read(saved(tmp_path, **{name: None}), classes=4)


@pytest.mark.parametrize(
    "changes",
    [
        {"embedding": np.ones((2, 2), dtype=np.float16)},
        {"embedding": np.ones((0, 2), dtype=np.float16)},
        {"embedding": np.ones(3, dtype=np.float16)},
        {"embedding": np.float16(1)},
        {"embedding": np.full((3, 2), np.nan, dtype=np.float16)},
        {"embedding": np.ones((3, 2))},
        {"labels": np.array([0, 1, 4])},
        {"labels": np.array([0, 1, -1])},
        {"labels": np.array([0.0, 1, 2])},
        {"ids": np.array(["a"])},
        {"predicted": np.array([1, 2])},
        {"predicted": np.array([2, 0, -1, 0])},
        {"confidence": np.arange(19)},
        {"confidence": np.arange(-1, 19)},
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(BundleInvalid, match="do not fit together"):
        reference.read(saved(tmp_path, **changes), classes=4)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reference.npz").write_text("text")
    with pytest.raises(BundleInvalid):
        reference.read(tmp_path / "reference.npz", classes=4)
