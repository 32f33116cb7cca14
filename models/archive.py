"""Arrays in a bundle's `.npz` files."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import BundleInvalid


def read(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Read all arrays of an archive, by name; none may hold Python objects.

    Raises:
        BundleInvalid: the file is missing or is not an archive of arrays.
    """
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleInvalid(f"{path}: {error}") from error
