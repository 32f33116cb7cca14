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


def test_an_image_that_is_lost_is_one_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "elsewhere.jpg").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")

    assert [path.name for path in folder.images(tmp_path)] == ["circle.jpg", "gone.jpg"]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.jpg", True),
        ("./pets/Photo at 10.15.PNG", True),
        ("../a.jpg", True),
        ("a.txt", False),
        ("._a.jpg", False),
        (".trash/a.jpg", False),
        ("jpg", False),
    ],
)
def test_a_member_is_an_image_by_its_last_suffix(name: str, *, image: bool) -> None:
    assert folder.is_image(name) == image
