"""Images in a folder and below, found by their suffix; none is opened."""

import os
from collections.abc import Iterator
from pathlib import Path

from models.errors import DataError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def images(folder: Path) -> Iterator[Path]:
    """The images in a folder and below, sorted by path; hidden ones are left out.

    Only the names of one folder, and of those above it, are held at a time. Links to folders
    are not followed.

    Raises:
        DataError: a folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            visible = sorted((e for e in entries if not e.name.startswith(".")), key=_name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    for entry in visible:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from images(path)
        elif path.suffix.lower() in SUFFIXES and entry.is_file():
            yield path


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
