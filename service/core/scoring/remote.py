"""Files in an object store, named by a URL and reached through fsspec.

Who may read and write there is the store's own affair: its library finds keys and the address
where it always does, in the environment or in the user's files.
"""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from models.errors import NotInstalled, SeeWhyError

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "memory": "fsspec"}
"""What a URL may begin with, and the package that reads it; `memory` ends with the process."""

BUFFER = 8 * 2**20
"""Bytes read at a time from a list, table or shard: each request costs a journey."""


@dataclass(frozen=True)
class Remote:
    """An object or a folder of them: what scoring uses of a `pathlib.Path`, by the same names.

    `key` begins with the bucket or container. `listed` is what a listing has said of it, which
    saves asking again. Methods that ask the store raise OSError, as those of a Path do, and
    NotInstalled where the store's library is missing.
    """

    scheme: str
    key: PurePosixPath
    listed: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.key}"

    def __truediv__(self, name: str) -> "Remote":
        return Remote(self.scheme, self.key / name.lstrip("/"))  # no key is absolute

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.name

    @property
    def suffix(self) -> str:
        """From the last dot of the name on."""
        return self.key.suffix

    @property
    def suffixes(self) -> list[str]:
        """All suffixes of the name."""
        return self.key.suffixes

    @property
    def parent(self) -> "Remote":
        """The folder that it is in."""
        return Remote(self.scheme, self.key.parent)

    @property
    def parents(self) -> "list[Remote]":
        """The folder that it is in, the one above, and so on."""
        return [Remote(self.scheme, key) for key in self.key.parents]

    @property
    def size(self) -> int:
        """Its number of bytes."""
        with _translated():
            return int((self._info() or self._store.info(str(self)))["size"])

    def relative_to(self, base: "Remote") -> PurePosixPath:
        """Its path below a folder."""
        return self.key.relative_to(base.key)

    def exists(self) -> bool:
        """Whether it is an object or a folder."""
        return self._info() is not None

    def is_dir(self) -> bool:
        """Whether it is a folder: something's key goes on behind it."""
        return (self._info() or {}).get("type") == "directory"

    def is_file(self) -> bool:
        """Whether it is an object."""
        return (self._info() or {}).get("type") == "file"

    def iterdir(self) -> "Iterator[Remote]":
        """What is in a folder, in no order."""
        with _translated():
            listed = self._store.ls(str(self), detail=True)
        found = map(self._found, listed)
        return (child for child in found if child != self)  # a folder may be an empty object

    def glob(self) -> "list[Remote]":
        """The objects whose keys match its own as a pattern, sorted."""
        with _translated():
            found = map(self._found, self._store.glob(str(self), detail=True).values())
            return sorted((each for each in found if each.is_file()), key=lambda each: each.key)

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Some of its bytes, by one request; fewer where it ends before."""
        if length == 0:
            return b""
        end = None if length is None else offset + length
        with _translated():
            try:
                return bytes(self._store.cat_file(str(self), start=offset, end=end))
            except OSError:
                if self.size > offset:
                    raise
                return b""  # stores refuse a range without bytes

    def write(self, content: bytes, *, create: bool = False) -> None:
        """Put an object: whole, or not at all.

        Args:
            content: all of it.
            create: refuse where there is one, if the store can.
        """
        with _translated():
            self._store.pipe_file(str(self), content, mode="create" if create else "overwrite")

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Its bytes as a file that is read, `BUFFER` at a time; `mode` is always "rb"."""
        assert mode == "rb"  # noqa: S101
        return io.BufferedReader(_Reader(self), BUFFER)

    def _info(self) -> dict[str, Any] | None:
        if self.listed is not None:
            return self.listed
        try:
            with _translated():
                return dict(self._store.info(str(self)))
        except FileNotFoundError:
            return None

    def _found(self, listed: dict[str, Any]) -> "Remote":
        return Remote(self.scheme, PurePosixPath(listed["name"].strip("/")), listed)

    @property
    def _store(self) -> Any:
        return _store(self.scheme)


Place = Path | Remote
"""Where something is: on this machine, or in a store."""


def place(name: str) -> Place:
    """What a path or a URL names."""
    scheme, separator, key = name.partition("://")
    if separator and scheme in PACKAGES:
        return Remote(scheme, PurePosixPath(key.strip("/")))
    return Path(name)


def beside(file: Place, name: str) -> Place:
    """What a list or table means by a name: a URL, or a path from its own folder."""
    named = place(name)
    return named if isinstance(named, Remote) else file.parent / name


class _Reader(io.RawIOBase):
    """An object as a file; each read is a request."""

    def __init__(self, remote: Remote) -> None:
        self._remote, self._size, self._position = remote, remote.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        length = min(len(view), max(0, self._size - self._position))
        content = self._remote.read(self._position, length)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def readall(self) -> bytes:
        rest = self._remote.read(self._position, max(0, self._size - self._position))
        self._position += len(rest)
        return rest  # one request, where the base class would make one for 8 kB each


@cache
def _store(scheme: str) -> Any:
    package = PACKAGES[scheme]
    try:
        import fsspec  # noqa: PLC0415  # an extra of the package

        # Other processes write there too: what was listed once is not to be believed.
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError as error:
        beyond = "" if package in {"fsspec", "s3fs"} else f" {package}"
        raise NotInstalled(
            f"{scheme}:// needs {package}, which is not installed: run pip install "
            f"'seewhy[cloud]'{beyond}"
        ) from error


@contextmanager
def _translated() -> Iterator[None]:
    """Turn whatever a store's library raises into an OSError with a number and a reason."""
    try:
        yield
    except SeeWhyError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
    except FileExistsError as error:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
    except Exception as error:
        number = (isinstance(error, OSError) and error.errno) or errno.EIO
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise OSError(number, " ".join(reason.split())) from error
