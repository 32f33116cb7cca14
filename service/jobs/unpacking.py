"""Zip files of strangers: only images come out of them, to where they belong."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from models import folder as folders
from models.archives import Bounded
from models.errors import DataError

MOST_MEMBERS = 100_000
MOST_DIRECTORY_BYTES = 2**25
"""Of the list of members, which is held in memory."""

MOST_RATIO = 100
"""Bytes that come out for each of the archive's; photos hardly shrink."""

ENCRYPTED = 1
"""In a member's flags."""


def unpack(archive: Path, folder: Path, most_bytes: int) -> None:
    """Write the images of a zip file below a folder that is not there yet, all or nothing.

    Links, hidden files and whatever is no image by its name are passed over.

    Raises:
        DataError: it is no zip file, is damaged, encrypted or packed in a rare way, would write
            outside of the folder, holds no images, or more members or bytes than it may.
        OSError: the disk refused.
    """
    staged = folder.with_name(f".{folder.name}")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    try:
        with archive.open("rb") as file:
            bounded: Any = Bounded(file, archive.name, MOST_DIRECTORY_BYTES)
            with zipfile.ZipFile(bounded) as opened:
                _write_all(opened, archive, staged, most_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise DataError(f"{archive.name} is no zip file that can be read: {error}") from error
    staged.rename(folder)


def _write_all(opened: zipfile.ZipFile, archive: Path, folder: Path, most_bytes: int) -> None:
    members = opened.infolist()
    if len(members) > MOST_MEMBERS:
        raise DataError(f"{archive.name} holds more than {MOST_MEMBERS:,} members")
    images = [member for member in members if _is_image(member)]
    if not images:
        raise DataError(f"{archive.name} holds no images")
    left = min(most_bytes, MOST_RATIO * archive.stat().st_size)
    for member in images:
        _check(member, archive)
        left -= _write(opened, member, folder / member.filename, left)


def _is_image(member: zipfile.ZipInfo) -> bool:
    mode = member.external_attr >> 16
    regular = not member.is_dir() and stat.S_IFMT(mode) in {0, stat.S_IFREG}
    return regular and folders.is_image(member.filename)


def _check(member: zipfile.ZipInfo, archive: Path) -> None:
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
        raise DataError(f"{archive.name} holds {member.filename!r}, which leads away")
    if member.flag_bits & ENCRYPTED:
        raise DataError(f"{archive.name} holds {member.filename!r}, which is encrypted")
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # Some ways take as much memory as the archive says.
        raise DataError(f"{archive.name} holds {member.filename!r}, which is not packed by deflate")


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, most_bytes: int) -> int:
    """Write one member and return its size, whatever size it claims."""
    file.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(member) as packed, file.open("xb") as target:
        while chunk := packed.read(2**20):
            size += len(chunk)
            if size > most_bytes:
                raise DataError(
                    f"the zip file holds more bytes than a job may, or {MOST_RATIO} times its own"
                )
            target.write(chunk)
    return size
