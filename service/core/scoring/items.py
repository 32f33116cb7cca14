"""One input: an encoded image, and where it is."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from models.errors import ImageTooLarge, UnreadableImage
from service.core.scoring.remote import Place, Remote


@dataclass(frozen=True)
class Span:
    """Some bytes of a file; `length` None reaches to its end."""

    file: Place
    offset: int = 0
    length: int | None = None


@dataclass(frozen=True)
class Item:
    """One input.

    `id` is unique in its run; `path` says where the image is, None for bytes in a table.
    """

    id: str
    path: str | None
    encoded: Span | bytes

    def read(self, max_bytes: int, within: Path | None = None) -> bytes:
        """The encoded image.

        Args:
            max_bytes: that it may have.
            within: a folder that its file has to be below, links followed; None for any, on this
                machine or in a store.

        Raises:
            UnreadableImage: its file is not there, or may not be read.
            ImageTooLarge: it has more than `max_bytes`.
        """
        if isinstance(self.encoded, bytes):
            data = self.encoded
        else:
            data = _read(self.encoded, max_bytes, within)
        if len(data) > max_bytes:
            raise ImageTooLarge(f"the image has more than the {max_bytes:,} bytes allowed")
        return data


def shown(path: str | PurePath | Remote) -> str:
    """A path as text that can be encoded: bytes that are no UTF-8 have their number."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


def is_below(file: Place, folder: Path | None) -> bool:
    """Whether a file is below a folder, links followed; None stands for anywhere."""
    if folder is None:
        return True
    try:
        return isinstance(file, Path) and file.resolve().is_relative_to(folder)
    except (RuntimeError, ValueError):  # links go in circles, or a byte of the name is zero
        return False


def _read(span: Span, max_bytes: int, within: Path | None) -> bytes:
    """The bytes of a span, of a longer one `max_bytes` and one more."""
    most = max_bytes + 1
    length = most if span.length is None else min(span.length, most)
    try:
        if not is_below(span.file, within):
            raise UnreadableImage("it is outside of the folder that may be read")
        if isinstance(span.file, Remote):
            return span.file.read(span.offset, length)
        if not span.file.is_file():  # opening a pipe would wait for its writer
            raise UnreadableImage("there is no such file")
        with span.file.open("rb") as file:
            file.seek(span.offset)
            return file.read(length)
    except OSError as error:
        raise UnreadableImage(f"the file cannot be read: {error.strerror}") from error
