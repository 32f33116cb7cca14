"""Arrays in a bundle's `.npz` files."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import BundleInvalid


def read(path: Path, needed: Iterable[str] = ()) -> dict[str, npt.NDArray[np.generic]]:
    """Read all arrays of an archive, by name; none may hold Python objects.

    Raises:
        BundleInvalid: the file is missing, is not an archive of arrays, or lacks a needed one.
    """
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            found = dict(archive)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleInvalid(f"{path}: {error}") from error
    missing = [name for name in needed if name not in found]
    if missing:
        raise BundleInvalid(f"{path} holds no {', '.join(missing)}")
    return found
