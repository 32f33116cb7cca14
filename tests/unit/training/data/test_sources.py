"""Which reader a path is for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from models.errors import DataError
from training.data import folder, sources

Save = Callable[[str, Image.Image], Path]


def test_a_folder_of_folders_is_read_as_one(tmp_path: Path, save: Save, noise: Image.Image) -> None:
    for name in ("cat/a.png", "dog/b.png"):
        save(name, noise)
    (tmp_path / "backup.tar").touch()

    assert sources.read(tmp_path) == folder.read(tmp_path)


def test_what_is_no_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").touch()
    (tmp_path / "empty").mkdir()

    with pytest.raises(DataError, match="photos does not exist"):
        sources.read(tmp_path / "photos")
    with pytest.raises(DataError, match=r"photos\.zip is no folder, and no \.csv"):
        sources.read(tmp_path / "photos.zip")
    with pytest.raises(DataError, match=r"classes to learn in .*empty: 0"):
        sources.read(tmp_path / "empty")
