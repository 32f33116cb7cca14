"""Zip files that mean harm."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from models.errors import DataError
from service.jobs import unpacking
from service.jobs.unpacking import MOST_DIRECTORY_BYTES, unpack

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


def test_what_shrinks_as_no_photo_does_is_stopped(tmp_path: Path) -> None:
    packed = archive(tmp_path, ("a.bmp", bytes(100_000)))
    assert packed.stat().st_size < 1000

    with pytest.raises(DataError, match="100 times"):
        unpack(packed, tmp_path / "images", 10**6)


def test_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 2)
    packed = archive(tmp_path, *((f"{number}.jpg", b"") for number in range(3)))

    with pytest.raises(DataError, match="more than 2 members"):
        unpack(packed, tmp_path / "images", MOST)


def test_a_long_list_of_members_is_not_read(tmp_path: Path) -> None:
    members = [
        zipfile.ZipInfo(f"{number}.jpg") for number in range(MOST_DIRECTORY_BYTES // 65_535 + 1)
    ]
    for member in members:
        member.comment = bytes(65_535)
    packed = archive(tmp_path, *((member, b"") for member in members))

    with pytest.raises(DataError, match=r"input\.zip has a header of more than"):
        unpack(packed, tmp_path / "images", MOST)


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_takes_any_memory_is_not_unpacked(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "input.zip", "w", kind) as packed:
        packed.writestr("a.jpg", b"1")

    with pytest.raises(DataError, match=r"'a\.jpg', which is not packed by deflate"):
        unpack(tmp_path / "input.zip", tmp_path / "images", MOST)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    packed = archive(tmp_path, ("a.jpg", b"1"))
    content = bytearray(packed.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    packed.write_bytes(content)

    with pytest.raises(DataError, match=r"'a\.jpg', which is encrypted"):
        unpack(packed, tmp_path / "images", MOST)


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed = archive(tmp_path, ("a.jpg", b"1"), ("a.jpg", b"2"))

    with pytest.raises(FileExistsError):
        unpack(packed, tmp_path / "images", MOST)


def test_a_file_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"input\.zip holds no images"):
        unpack(archive(tmp_path, ("a.txt", b"1")), tmp_path / "images", MOST)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    packed = archive(tmp_path, ("é.jpg", b"1"))
    packed.write_bytes(packed.read_bytes().replace("é".encode(), b"\xff\xfe"))

    with pytest.raises(DataError, match="no zip file that can be read"):
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
