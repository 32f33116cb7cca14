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
    names, folders = [], set()
    try:
        with os.scandir(folder) as entries:  # an entry is ten times the size of its name
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.add(entry.name)
                elif not entry.name.lower().endswith(tuple(SUFFIXES)) or not entry.is_file():
                    continue
                names.append(entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    for name in sorted(names):
        if name in folders:
            yield from images(folder / name)
        else:
            yield folder / name
