"""Zip files that mean harm."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from models.errors import DataError
from service.jobs.unpacking import unpack

MOST = 10_000


def archive(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    file = folder / "input.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return file


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def test_only_images_come_out(tmp_path: Path) -> None:
    packed = archive(
        tmp_path,
        ("a.jpg", b"1"), ("pets/b.PNG", b"2"), ("readme.txt", b"3"), ("pets/", b""),
        ("__MACOSX/._a.jpg", b"4"), (".hidden/c.jpg", b"5"), (link("d.jpg"), b"/etc/passwd"),
    )  # fmt: skip

    unpack(packed, tmp_path / "images", MOST)

    assert files(tmp_path / "images") == {"a.jpg": b"1", "pets/b.PNG": b"2"}


@pytest.mark.parametrize(
    "name", ["../out.jpg", "pets/../../out.jpg", "/out.jpg", "pets\\..\\out.jpg"]
)
def test_nothing_is_written_elsewhere(tmp_path: Path, name: str) -> None:
    packed = archive(tmp_path, ("a.jpg", b"1"), (name, b"2"))

    with pytest.raises(DataError, match="leads away"):
        unpack(packed, tmp_path / "images", MOST)

    assert not (tmp_path / "images").exists()
    assert not list(tmp_path.rglob("out.jpg"))


def test_a_bomb_is_stopped_whatever_it_claims(tmp_path: Path) -> None:
    packed = archive(tmp_path, ("a.jpg", bytes(6000)), ("b.jpg", bytes(6000)))
    assert packed.stat().st_size < 1000

    with pytest.raises(DataError, match="more bytes"):
        unpack(packed, tmp_path / "images", MOST)


def test_unpacking_again_after_it_was_stopped_leaves_no_rest(tmp_path: Path) -> None:
    rest = tmp_path / ".images" / "old.jpg"
    rest.parent.mkdir()
    rest.write_bytes(b"rest")

    unpack(archive(tmp_path, ("a.jpg", b"1")), tmp_path / "images", MOST)

    assert files(tmp_path / "images") == {"a.jpg": b"1"}


def damaged(content: bytes) -> bytes:
    return content[:40] + b"\xff\xff" + content[42:]


@pytest.mark.parametrize("content", [b"", b"no zip"])
def test_what_is_no_zip_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "input.zip"
    file.write_bytes(content)

    with pytest.raises(DataError, match="no zip file that can be read"):
        unpack(file, tmp_path / "images", MOST)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.jpg", bytes(range(256)) * 8)
    file = tmp_path / "input.zip"
    file.write_bytes(damaged(data.getvalue()))

    with pytest.raises(DataError, match="no zip file that can be read"):
        unpack(file, tmp_path / "images", MOST)
