"""Commands that need more than serving does."""

from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import TrainingError


@contextmanager
def needs_training(command: str) -> Iterator[None]:
    """Say in one line what a command lacks where training's libraries are not installed.

    Raises:
        TrainingError: an import within failed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"{command} needs {error.name}, which is not installed: run make install-dev, or "
            "pip install 'seewhy[training]'"
        ) from error
