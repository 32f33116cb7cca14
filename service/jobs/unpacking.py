"""Zip files of strangers: only images come out of them, to where they belong."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from models.errors import DataError
from models.folder import SUFFIXES


def unpack(archive: Path, folder: Path, most_bytes: int) -> None:
    """Write the images of a zip file below a folder that is not there yet, all or nothing.

    Links, hidden files and whatever is no image by its name are passed over.

    Raises:
        DataError: it is no zip file, is damaged or encrypted, would write outside of the folder,
            or holds more than `most_bytes`.
        OSError: the disk refused.
    """
    staged = folder.with_name(f".{folder.name}")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    left = most_bytes
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                name = PurePosixPath(member.filename)
                if not _is_image(member, name):
                    continue
                if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
                    raise DataError(f"{archive.name} holds {member.filename!r}, which leads away")
                left -= _write(opened, member, staged / name, left)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{archive.name} is no zip file that can be read: {error}") from error
    staged.rename(folder)


def _is_image(member: zipfile.ZipInfo, name: PurePosixPath) -> bool:
    mode = member.external_attr >> 16
    regular = not member.is_dir() and stat.S_IFMT(mode) in {0, stat.S_IFREG}
    hidden = any(part.startswith(".") and part != ".." for part in name.parts)
    return regular and not hidden and name.suffix.lower() in SUFFIXES


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, most_bytes: int) -> int:
    """Write one member and return its size, whatever size it claims."""
    file.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(member) as packed, file.open("wb") as target:
        while chunk := packed.read(2**20):
            size += len(chunk)
            if size > most_bytes:
                raise DataError("the zip file holds more bytes than a job may")
            target.write(chunk)
    return size
