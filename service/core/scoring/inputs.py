"""What is to be scored: a folder, a glob, a list, a table, WebDataset shards or one image.

Each is a path of this machine or a URL of an object store.

Inputs come in an order that does not change, and are never all in memory: one pass counts
them, another reads them.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePath
from tarfile import TarInfo
from typing import TypeVar

from models import folder, shards
from models.errors import DataError
from service.core.scoring import lists, tables
from service.core.scoring.items import Item, Span, is_below, shown
from service.core.scoring.remote import Place, Remote, place

P = TypeVar("P", Path, Remote)


@dataclass(frozen=True)
class Source:
    """What a user names.

    Attributes:
        name: a path or a URL.
        column: a table's, of paths or of encoded images.
        within: a folder that all files have to be below, links followed; None for any, in a
            store too.
    """

    name: str
    column: str = "path"
    within: Path | None = None


@dataclass(frozen=True)
class Survey:
    """How many inputs there are, and a SHA-256 that changes with their names and order."""

    images: int
    fingerprint: str


def survey(source: Source) -> Survey:
    """Count the inputs; no image is opened.

    Raises:
        DataError: there are none, or some file that lists or holds them cannot be read.
    """
    images, digest = 0, hashlib.sha256()
    for name, file in _files(source):
        size = _size(file) if _holds_several(file) else 0
        digest.update(f"{name}\0{size}\n".encode())
        for inner in _names(file, source.column):
            digest.update(f"{inner}\n".encode("utf-8", "surrogateescape"))
            images += 1
    if not images:
        raise DataError(f"{source.name} holds no images")
    return Survey(images, digest.hexdigest())


def read(source: Source) -> Iterator[Item]:
    """The inputs in order.

    An image's id is its path below the folder that was given (of a glob, below the folder
    before the first wildcard); in a list, a table or a shard, the file's and a number.

    Raises:
        DataError: some file that lists or holds them cannot be read.
    """
    for name, file in _files(source):
        yield from _items(name, file, source.column)


def _files(source: Source) -> Iterator[tuple[str, Place]]:
    """The files that a source names, each with what ids begin with."""
    path = place(source.name)
    with _explained(path):
        if isinstance(path, Remote):
            yield from _named(path, source.within)
        else:
            yield from _named(path, source.within)


def _named(path: P, within: Path | None) -> Iterator[tuple[str, P]]:
    files: Iterable[P]
    if path.is_dir():
        base, files = path, shards.in_folder(path) or _images(path)
    elif path.exists():
        base, files = path.parent, [path]
    elif has_magic(str(path)):
        base, files = _base(path), _matches(path)
    else:
        raise DataError(f"{path} does not exist")
    for file in files:
        if _holds_several(file) and not is_below(file, within):
            raise DataError(f"{file} is outside of the folder that may be read")
        yield shown(file.relative_to(base)), file


def _images(root: P) -> Iterator[P]:
    if isinstance(root, Path):
        return folder.images(root)
    return _images_in_store(root)


def _images_in_store(root: Remote) -> Iterator[Remote]:
    """As `folder.images` has them."""
    for child in sorted(root.iterdir(), key=lambda child: child.name):
        if child.name.startswith("."):
            continue
        if child.is_dir():
            yield from _images_in_store(child)
        elif child.suffix.lower() in folder.SUFFIXES:
            yield child


def _base(pattern: P) -> P:
    return next(parent for parent in pattern.parents if not has_magic(str(parent)))


def _matches(pattern: P) -> list[P]:
    if isinstance(pattern, Path):
        names = glob(str(pattern), recursive=True)  # noqa: PTH207  # a Path's takes no absolute pattern
        found = sorted({path for path in map(Path, names) if path.is_file()})
    else:
        base = _base(pattern)
        found = [path for path in pattern.glob() if not _is_hidden(path.relative_to(base))]
    if not found:
        raise DataError(f"no file matches {pattern}")
    return found


def _is_hidden(path: PurePath) -> bool:
    return any(part.startswith(".") for part in path.parts)


@contextmanager
def _explained(path: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _size(file: Place) -> int:
    return file.size if isinstance(file, Remote) else file.stat().st_size


def _holds_several(file: Place) -> bool:
    suffix = file.suffix.lower()
    return shards.is_shard(file) or suffix in tables.SUFFIXES or suffix == lists.SUFFIX


def _names(file: Place, column: str) -> Iterator[str]:
    """What a file calls each of its images; nothing for itself, and for one in a table."""
    if shards.is_shard(file):
        return (member.name for member in _images_of(file))
    if file.suffix.lower() in tables.SUFFIXES:
        return tables.names(file, column)
    return lists.names(file) if file.suffix.lower() == lists.SUFFIX else iter([""])


def _items(name: str, file: Place, column: str) -> Iterator[Item]:
    if shards.is_shard(file):
        return _members(file, name)
    if file.suffix.lower() in tables.SUFFIXES:
        return tables.items(file, name, column)
    if file.suffix.lower() == lists.SUFFIX:
        return lists.items(file, name)
    return iter([Item(name, shown(file), Span(file))])


def _members(shard: Place, name: str) -> Iterator[Item]:
    for number, image in enumerate(_images_of(shard)):
        yield Item(
            f"{name}#{number}",
            f"{shown(shard)}/{shown(image.name)}",
            Span(shard, image.offset_data, image.size),
        )


def _images_of(shard: Place) -> Iterator[TarInfo]:
    """All of them; in the name of a photo, a dot need not begin an extension."""
    return (member for member in shards.members(shard) if folder.is_image(member.name))
