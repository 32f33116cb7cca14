"""Where an encoded image is."""

import os
from pathlib import Path

import pytest

from models.errors import ImageTooLarge, UnreadableImage
from service.core.scoring.items import Item, Span, shown


def test_a_span_is_read_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "shard.tar"
    file.write_bytes(b"0123456789")

    assert Item("a", None, Span(file, 2, 3)).read(100) == b"234"
    assert Item("a", None, Span(file, 7)).read(100) == b"789"


def test_bytes_are_themselves() -> None:
    assert Item("a", None, b"png").read(100) == b"png"


def test_what_is_not_there_is_an_error_of_the_image(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="no such file"):
        Item("a", None, Span(tmp_path / "a.jpg")).read(100)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")

    with pytest.raises(UnreadableImage):
        Item("a", None, Span(tmp_path / "a.jpg")).read(100)


def test_a_file_that_may_not_be_read_is_an_error_of_the_image(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.touch(mode=0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read every file")

    with pytest.raises(UnreadableImage, match="Permission denied"):
        Item("a", None, Span(file)).read(100)


@pytest.mark.parametrize("name", ["../out.jpg", "way.jpg", "circle.jpg", "a\0.jpg"])
def test_what_leads_out_of_a_folder_is_not_read(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "out.jpg").write_bytes(b"secret")
    (root / "way.jpg").symlink_to(tmp_path / "out.jpg")
    (root / "circle.jpg").symlink_to("circle.jpg")

    with pytest.raises(UnreadableImage, match="outside of the folder"):
        Item("a", None, Span(root / name)).read(100, within=root)


def test_more_bytes_than_allowed_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"0123456789")

    assert Item("a", None, Span(file)).read(10) == b"0123456789"
    with pytest.raises(ImageTooLarge, match="more than the 9 bytes"):
        Item("a", None, Span(file)).read(9)
    with pytest.raises(ImageTooLarge):
        Item("a", None, b"0123456789").read(9)


def test_a_path_of_any_bytes_can_be_written_as_text() -> None:
    assert shown(os.fsdecode(b"caf\xe9/\xc3\xa9.jpg")) == "caf\\xe9/é.jpg"
