"""Images below a folder."""

import os
from pathlib import Path

import pytest

from models import folder
from models.errors import DataError


def test_images_are_found_by_suffix_in_the_order_of_their_paths(tmp_path: Path) -> None:
    found = ["a/z.PNG", "a-b/c.jpg", "a.gif", "b/deep/er/x.webp", "b/y.tiff"]
    passed_over = ["notes.txt", ".hidden.png", ".git/x.png", "b/.x.png"]
    for name in (*found, *passed_over):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert list(folder.images(tmp_path)) == sorted(tmp_path / name for name in found)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere cannot be read: No such file"):
        list(folder.images(tmp_path / "nowhere"))


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    if os.access(tmp_path / "closed", os.R_OK):
        pytest.skip("this user may read every folder")

    with pytest.raises(DataError, match="closed cannot be read: Permission denied"):
        list(folder.images(tmp_path))
