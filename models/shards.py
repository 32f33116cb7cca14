"""WebDataset shards: tar files that are read where they stand; nothing is unpacked.

A sample is what shares a key, a member's name up to the first dot after its last slash:
`0001.jpg` with `0001.cls`, or with `0001.json`.
"""

import tarfile
from collections.abc import Iterator
from typing import IO, Any, Literal, Protocol, Self, TypeVar

from models.archives import Bounded
from models.errors import DataError
from models.folder import SUFFIXES

CLASSES = "classes.txt"
"""Beside the shards: the name of each class, a line each, from index 0."""

MOST_HEADER_BYTES = 2**20
"""Of one member: its name, and whatever else a program has noted of it."""

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstd


class Place(Protocol):
    """A file or folder: `pathlib.Path`, or what stands for one in an object store."""

    @property
    def name(self) -> str: ...  # noqa: D102  # as Path has them, all
    @property
    def suffixes(self) -> list[str]: ...  # noqa: D102
    def is_file(self) -> bool: ...  # noqa: D102
    def iterdir(self) -> Iterator[Self]: ...  # noqa: D102
    def open(self, mode: Literal["rb"], /) -> IO[bytes]: ...  # noqa: D102


P = TypeVar("P", bound=Place)


def is_shard(path: Place) -> bool:
    """Whether a file is a tar file by its name, compressed ones included."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return ".tar" in suffixes or suffixes[-1:] == [".tgz"]


def in_folder(root: P) -> list[P]:
    """The shards of a folder that holds nothing else, but perhaps `classes.txt`; else none.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        visible = [child for child in root.iterdir() if not child.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{root} cannot be read: {error.strerror}") from error
    files = [child for child in visible if child.name != CLASSES]
    if not all(is_shard(file) and file.is_file() for file in files):
        return []
    return sorted(files, key=lambda file: file.name)


def members(shard: Place) -> Iterator[tarfile.TarInfo]:
    """The regular files of a shard in order: links and folders are passed over.

    Raises:
        DataError: the shard cannot be read, is compressed or damaged; what precedes the damage
            has been listed by then.
    """
    try:
        with shard.open("rb") as file:
            if file.read(6).startswith(_COMPRESSED):
                raise DataError(f"{shard} is compressed: its images can only be read unpacked")
            file.seek(0)
            bounded: Any = Bounded(file, f"{shard}", MOST_HEADER_BYTES)
            with tarfile.open(fileobj=bounded, mode="r:") as archive:
                count, end = 0, 0
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # or it keeps them all
                    count, end = count + 1, _end(member)
                    if member.isreg():
                        yield member
            _check_end(shard, file, count, end)
    except tarfile.TarError as error:
        raise DataError(f"{shard} is no tar file, or is damaged: {error}") from error
    except OSError as error:
        raise DataError(f"{shard} cannot be read: {error.strerror}") from error


def named(member: tarfile.TarInfo) -> tuple[str, str]:
    """Key and extension of a member.

    A hidden file, as `._0001.jpg`, has an empty key and the extension of no image.
    """
    folder, slash, name = member.name.rpartition("/")
    stem, _, extension = name.partition(".")
    return folder + slash + stem, extension.lower()


def is_image(member: tarfile.TarInfo) -> bool:
    """Whether a member is the image of a sample, by its extension."""
    return f".{named(member)[1]}" in SUFFIXES


def _end(member: tarfile.TarInfo) -> int:
    size = member.size if member.isreg() else 0
    return member.offset_data + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _check_end(shard: Place, file: IO[bytes], count: int, end: int) -> None:
    """Refuse what `tarfile` takes for the end though members follow, or may have followed."""
    file.seek(end)
    padding = file.read(2 * tarfile.RECORDSIZE)
    if len(padding) < tarfile.BLOCKSIZE or any(padding):
        raise DataError(f"{shard} is cut off or damaged after {count} members")
