"""Images listed in a text file, a path a line."""

from collections.abc import Iterator
from pathlib import Path

from models.errors import DataError
from service.core.scoring.items import Item, Span, shown

SUFFIX = ".txt"


def count(listing: Path) -> int:
    """The number of paths.

    Raises:
        DataError: the list cannot be read.
    """
    return sum(1 for _ in _paths(listing))


def items(listing: Path, name: str) -> Iterator[Item]:
    """An item for each line that is not blank; paths are relative to the list's folder.

    Args:
        listing: the file.
        name: what the items' ids begin with.

    Raises:
        DataError: the list cannot be read.
    """
    for number, path in enumerate(_paths(listing)):
        file = listing.parent / path
        yield Item(f"{name}#{number}", shown(file), Span(file))


def _paths(listing: Path) -> Iterator[str]:
    try:
        # A file's name may be any bytes.
        with listing.open(encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                if path := line.rstrip("\r\n"):
                    yield path
    except OSError as error:
        raise DataError(f"{listing} cannot be read: {error.strerror}") from error
