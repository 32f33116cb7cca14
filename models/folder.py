"""Images by their names: in a folder and below, and in archives; none is opened."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from models.errors import DataError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def images(folder: Path) -> Iterator[Path]:
    """The images in a folder and below, sorted by path; hidden ones are left out.

    Only the names of one folder, and of those above it, are held at a time. Links to folders
    are not followed.

    Raises:
        DataError: a folder cannot be read.
    """
    names, folders = [], set()
    try:
        with os.scandir(folder) as entries:  # an entry is ten times the size of its name
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.add(entry.name)
                elif not entry.name.lower().endswith(tuple(SUFFIXES)) or not _is_file(entry):
                    continue
                names.append(entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    for name in sorted(names):
        if name in folders:
            yield from images(folder / name)
        else:
            yield folder / name


def is_image(name: str) -> bool:
    """Whether a member of an archive is an image by its name; hidden ones are not."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") and part != ".." for part in path.parts)
    return not hidden and path.suffix.lower() in SUFFIXES


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to what is none of a folder: an image, if only a lost one."""
    if entry.is_symlink():
        return not os.path.isdir(entry.path)  # noqa: PTH112  # is no error where links go in circles
    return entry.is_file()
