"""A folder of results: parts of so many rows, and whose results they are.

Part k holds the rows of inputs k * size to (k + 1) * size. It is written to a hidden name and
renamed, so a part that is there is complete, whatever stopped the run; a run that goes on
leaves it alone. `_run.json` says what the results are of: another run is refused.

An object store renames nothing, but shows an object whole or not at all: there, a part is
written on this machine and put once.
"""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from models.durable import replacing
from models.errors import OutputError
from service.core.scoring.parts import FILES, Format
from service.core.scoring.remote import Place, Remote
from service.core.scoring.rows import SCHEMA_VERSION, Row

# Readers of a folder pass over names that begin so.
RUN = "_run.json"
SUMMARY = "_summary.json"
LOCK = "_lock"


@dataclass(frozen=True)
class Model:
    """Whose answers they are; `sha256` is the bundle's: of its manifest, which has all others."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True)
class Run:
    """What the rows of an output depend on."""

    model: Model
    source: str
    column: str
    images: int
    fingerprint: str
    top_k: int
    embedding: bool
    box: bool
    robustness: str | None
    format: Format
    part_size: int
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Output:
    """A folder that belongs to one run."""

    folder: Place
    run: Run

    def done(self, number: int) -> bool:
        """Whether a part is complete."""
        return self._part(number).exists()

    def read(self, number: int) -> list[Row]:
        """The rows of a complete part.

        Raises:
            OutputError: it is not what this run has written.
        """
        part = self._part(number)
        expected = min(self.run.part_size, self.run.images - number * self.run.part_size)
        try:
            rows = FILES[self.run.format].read(part)
        except (OSError, ValueError, TypeError, pa.ArrowException) as error:
            raise OutputError(
                f"{part} cannot be read; without it, the same run makes it again"
            ) from error
        if len(rows) != expected:
            raise OutputError(
                f"{part} has {len(rows)} rows, not {expected}; without it, the same run makes it "
                "again"
            )
        return rows

    def write(self, number: int, rows: Sequence[Row]) -> None:
        """Write a part, replacing what is there.

        Raises:
            OutputError: the file system refused.
        """
        model = self.run.model
        metadata = {
            "seewhy.model": model.name,
            "seewhy.version": str(model.version),
            "seewhy.bundle_sha256": model.sha256,
            "seewhy.schema_version": str(self.run.schema_version),
        }
        part = self._part(number)
        with _explained(part), _publishing(part) as temporary:
            FILES[self.run.format].write(temporary, rows, metadata)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write `_summary.json`.

        Raises:
            OutputError: the file system refused.
        """
        _write_json(self.folder / SUMMARY, summary)

    def _part(self, number: int) -> Place:
        return self.folder / f"part-{number:05d}.{self.run.format}"


@contextmanager
def opened(folder: Place, run: Run) -> Iterator[Output]:
    """Make an output folder, or go on with that of the same run.

    Raises:
        OutputError: it holds another run's results or other files, is being written by another
            process, or cannot be written.
    """
    with nullcontext() if isinstance(folder, Remote) else _alone(folder):
        _claim(folder, run)
        yield Output(folder, run)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes out of it; a store has neither folders nor locks."""
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a")
    with lock:
        try:
            # The system lets go of it when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(f"{folder} is being written by another process") from error
        yield


def _claim(folder: Place, run: Run) -> None:
    path = folder / RUN
    mine = asdict(run)
    with _explained(folder):
        if not path.exists():
            if strangers := _strangers(folder):
                raise OutputError(f"{folder} holds {strangers[0]}, which is no result of scoring")
            _write_json(path, mine, create=True)
            return
    try:
        with path.open("rb") as file:
            theirs = json.load(file)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}") from error
    for name, value in mine.items():
        if theirs.get(name) != value:
            raise OutputError(
                f"{folder} holds the results of another run: {name} was {_told(theirs.get(name))}, "
                f"and is {_told(value)} now"
            )


def _strangers(folder: Place) -> list[str]:
    """The names of files that no run has written."""
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    return sorted(names - {LOCK, f".{RUN}.tmp"})


def _told(value: object) -> str:
    return " ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def _write_json(path: Place, content: dict[str, Any], *, create: bool = False) -> None:
    with _explained(path), _publishing(path, create=create) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


@contextmanager
def _publishing(path: Place, *, create: bool = False) -> Iterator[Path]:
    """A file to write to, which stands at `path`, whole, when the block is done.

    With `create`, one that another process has put into a store meanwhile stays as it is, and
    is an error; on a disk, other processes are locked out.
    """
    if isinstance(path, Path):
        with replacing(path) as temporary:
            yield temporary
        return
    with TemporaryDirectory() as folder:
        temporary = Path(folder, path.name)
        yield temporary
        path.write(temporary.read_bytes(), create=create)


@contextmanager
def _explained(path: Place) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise OutputError(
            f"{path} cannot be written: {reason}; the parts before it are complete"
        ) from error
