"""Reading archives of strangers, which say themselves how much memory reading them takes."""

from typing import IO

from models.errors import DataError


class Bounded:
    """A file to give to `tarfile` or `zipfile`, of which little is read at once.

    Both read a header or a directory in one piece, as long as the archive says that it is.
    """

    def __init__(self, file: IO[bytes], name: str, most_bytes: int) -> None:
        self._file, self._name, self._most = file, name, most_bytes
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """As of a file; less than zero is all.

        Raises:
            DataError: that is more than `most_bytes`.
        """
        if size <= self._most:
            content = self._file.read(size if size >= 0 else self._most + 1)
            if len(content) <= self._most:
                return content
        raise DataError(f"{self._name} has a header of more than {self._most:,} bytes")
