"""What is to be scored: a folder, a glob, a list, a table, WebDataset shards or one image.

Inputs come in an order that does not change, and are never all in memory: one pass counts
them, another reads them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from models import folder, shards
from models.errors import DataError
from service.core.scoring import lists, tables
from service.core.scoring.items import Item, Span, shown


@dataclass(frozen=True)
class Source:
    """What a user names.

    `column` is a table's, of paths or of encoded images.
    """

    name: str
    column: str = "path"


@dataclass(frozen=True)
class Survey:
    """How many inputs there are, and a SHA-256 that changes with their names and number."""

    images: int
    fingerprint: str


def survey(source: Source) -> Survey:
    """Count the inputs; no image is opened.

    Raises:
        DataError: there are none, or some file that lists or holds them cannot be read.
    """
    images, digest = 0, hashlib.sha256()
    for name, file in _files(source):
        found = _count(file, source.column)
        size = file.stat().st_size if _holds_several(file) else 0
        digest.update(f"{name}\0{size}\0{found}\n".encode())
        images += found
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


def _files(source: Source) -> Iterator[tuple[str, Path]]:
    """The files that a source names, each with what ids begin with."""
    path = Path(source.name)
    if path.is_dir():
        base, files = path, iter(shards.in_folder(path) or folder.images(path))
    elif path.exists():
        base, files = path.parent, iter([path])
    elif has_magic(source.name):
        base, files = _base(path), _matches(source.name)
    else:
        raise DataError(f"{source.name} does not exist")
    for file in files:
        yield shown(file.relative_to(base)), file


def _base(pattern: Path) -> Path:
    plain = [part for part in pattern.parts if not has_magic(part)]
    first = next(number for number, part in enumerate(pattern.parts) if has_magic(part))
    return Path(*plain[:first])


def _matches(pattern: str) -> Iterator[Path]:
    names = glob(pattern, recursive=True)  # noqa: PTH207  # a Path's takes no absolute pattern
    found = sorted(path for path in map(Path, names) if path.is_file())
    if not found:
        raise DataError(f"no file matches {pattern}")
    return iter(found)


def _holds_several(file: Path) -> bool:
    suffix = file.suffix.lower()
    return shards.is_shard(file) or suffix in tables.SUFFIXES or suffix == lists.SUFFIX


def _count(file: Path, column: str) -> int:
    if shards.is_shard(file):
        return sum(shards.is_image(member) for member in shards.members(file))
    if file.suffix.lower() in tables.SUFFIXES:
        return tables.count(file, column)
    return lists.count(file) if file.suffix.lower() == lists.SUFFIX else 1


def _items(name: str, file: Path, column: str) -> Iterator[Item]:
    if shards.is_shard(file):
        return _members(file, name)
    if file.suffix.lower() in tables.SUFFIXES:
        return tables.items(file, name, column)
    if file.suffix.lower() == lists.SUFFIX:
        return lists.items(file, name)
    return iter([Item(name, shown(file), Span(file))])


def _members(shard: Path, name: str) -> Iterator[Item]:
    images = filter(shards.is_image, shards.members(shard))
    for number, image in enumerate(images):
        yield Item(
            f"{name}#{number}",
            f"{shown(shard)}/{shown(image.name)}",
            Span(shard, image.offset_data, image.size),
        )
