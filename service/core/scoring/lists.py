"""Images listed in a text file, a path a line."""

from collections.abc import Iterator
from io import TextIOWrapper

from models.errors import DataError
from service.core.scoring.items import Item, Span, shown
from service.core.scoring.remote import Place, beside

SUFFIX = ".txt"


def items(listing: Place, name: str) -> Iterator[Item]:
    """An item for each line that is not blank: a URL, or a path from the list's folder.

    Args:
        listing: the file.
        name: what the items' ids begin with.

    Raises:
        DataError: the list cannot be read.
    """
    for number, path in enumerate(names(listing)):
        file = beside(listing, path)
        yield Item(f"{name}#{number}", shown(file), Span(file))


def names(listing: Place) -> Iterator[str]:
    """The lines that are not blank.

    Raises:
        DataError: the list cannot be read.
    """
    try:
        # A file's name may be any bytes.
        with listing.open("rb") as file:
            for line in TextIOWrapper(file, "utf-8", errors="surrogateescape"):
                if path := line.rstrip("\r\n"):
                    yield path
    except OSError as error:
        raise DataError(f"{listing} cannot be read: {error.strerror}") from error
