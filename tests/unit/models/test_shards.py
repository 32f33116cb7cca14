"""Tar files that are read where they stand."""

import io
import tarfile
from pathlib import Path

import pytest

from models import shards
from models.errors import DataError


def write(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, size: int = 700, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    return made


def test_files_are_listed_in_order_and_links_passed_over(tmp_path: Path) -> None:
    link = member("b.jpg", 0, tarfile.SYMTYPE)
    link.linkname = "/etc/passwd"
    names = ["../outside.jpg", "a.png", "c.d.jpg"]
    path = write(tmp_path / "x.tar", member(names[0]), link, *map(member, names[1:]))

    assert [each.name for each in shards.members(path)] == names


@pytest.mark.parametrize("kept", [100, 1024, 2100, 3000])
def test_a_shard_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "x.tar", *(member(f"{number}.jpg") for number in range(2)))
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(DataError, match=r"x\.tar is (no tar file|cut off)"):
        list(shards.members(path))


@pytest.mark.parametrize(
    ("name", "key", "extension", "image"),
    [
        ("a/0001.jpg", "a/0001", "jpg", True),
        ("a.b/0001.JPEG", "a.b/0001", "jpeg", True),
        ("0001.seg.png", "0001", "seg.png", False),
        ("a/._0001.jpg", "a/", "_0001.jpg", False),
        ("0001.cls", "0001", "cls", False),
    ],
)
def test_a_key_ends_at_the_first_dot(name: str, key: str, extension: str, *, image: bool) -> None:
    assert shards.named(member(name)) == (key, extension)
    assert shards.is_image(member(name)) == image


def test_a_header_that_takes_much_memory_is_refused(tmp_path: Path) -> None:
    long = member("a.jpg")
    long.pax_headers = {"comment": "x" * shards.MOST_HEADER_BYTES}
    path = write(tmp_path / "x.tar", long)

    with pytest.raises(DataError, match=r"x\.tar has a header of more than"):
        list(shards.members(path))
