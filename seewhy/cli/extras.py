"""Commands that need more than serving does."""

from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import NotInstalled


@contextmanager
def needs(command: str, extra: str = "training") -> Iterator[None]:
    """Say in one line what a command lacks where an extra of the package is not installed.

    Raises:
        NotInstalled: an import within failed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise NotInstalled(
            f"{command} needs {error.name}, which is not installed: run make install-dev, or "
            f"pip install 'seewhy[{extra}]'"
        ) from error
