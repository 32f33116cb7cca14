"""A repository: a folder of bundles, `<root>/<name>/<version>/`.

Versions are positive integers and never change once published. A bundle is copied into a
hidden folder beside its place and renamed, so a reader sees all of it or nothing. What is
served by default is the highest version, unless the file `<root>/<name>/current` names
another: `make_current` and `rollback` write it, and `publish` removes it.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from models import bundle
from models.bundle import Bundle
from models.durable import sync_folder
from models.errors import BundleInvalid, BundleNotFound
from models.manifest import NAME_PATTERN

CURRENT = "current"

_NAME = re.compile(NAME_PATTERN)
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Repository:
    """The bundles under one folder."""

    root: Path

    def names(self) -> list[str]:
        """The names that have at least one version, sorted.

        Raises:
            BundleNotFound: the root folder is not there.
        """
        try:
            names = sorted(path.name for path in self.root.iterdir() if path.is_dir())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BundleNotFound(f"there is no repository at {self.root}") from error
        return [name for name in names if _NAME.fullmatch(name) and self._folders(name)]

    def versions(self, name: str) -> list[int]:
        """The versions of a name, ascending.

        Raises:
            BundleNotFound: there is no such name; the message says which there are.
        """
        # A name is only ever compared with those listed, so "../secret" is simply not found.
        names = self.names()
        if name not in names:
            raise BundleNotFound(f"there is no bundle {name!r}; there are: {_listed(names)}")
        return self._folders(name)

    def current(self, name: str) -> int:
        """The version that is served by default.

        Raises:
            BundleNotFound: there is no such name.
            BundleInvalid: the pointer file names no version or cannot be read.
        """
        self.versions(name)
        pointer = self.root / name / CURRENT
        try:
            text = pointer.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            text = None
        except OSError as error:
            raise BundleInvalid(f"{pointer} cannot be read: {error.strerror}") from error
        # Listed after the pointer is read: it may name a version published meanwhile.
        versions = self._folders(name)
        if text is None:
            return versions[-1]
        if not _VERSION.fullmatch(text) or int(text) not in versions:
            raise BundleInvalid(f"{pointer} says {text!r}; the versions are: {_listed(versions)}")
        return int(text)

    def open(self, name: str, version: int | None = None) -> Bundle:
        """Read a bundle's manifest; the current version's by default.

        Raises:
            BundleNotFound: no such name or version; the message says which there are.
            BundleInvalid: the manifest is broken, or is another bundle's.
        """
        if version is None:
            version = self.current(name)
        elif version not in (versions := self.versions(name)):
            raise BundleNotFound(f"{name} has no version {version}; there are: {_listed(versions)}")
        directory = self.root / name / str(version)
        found = bundle.read(directory)
        if (found.manifest.name, found.manifest.version) != (name, version):
            raise BundleInvalid(f"{directory} holds {found}")
        return found

    def next_version(self, name: str) -> int:
        """The version that a new bundle of this name should state; 1 for a new name."""
        return max(self._folders(name), default=0) + 1 if _NAME.fullmatch(name) else 1

    def publish(self, staged: Path, *, version: int | None = None) -> Bundle:
        """Copy a finished bundle into the repository and make it current.

        Its name is its manifest's, and so is its version where none is given. It has to be
        higher than every published one (see `next_version`). Files that the manifest does not
        list stay behind.

        Raises:
            BundleNotFound: `staged` holds no manifest.
            BundleInvalid: the bundle is broken, or its version is not a new highest.
        """
        source = bundle.read(staged)
        name = source.manifest.name
        version = source.manifest.version if version is None else version
        self._expect_highest(source, version)
        home = self.root / name
        home.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(home) as temporary:
            for file in [*source.manifest.sha256, bundle.MANIFEST]:
                _copy_durably(staged / file, temporary / file)
            bundle.verify(Bundle(temporary, source.manifest))
            if version != source.manifest.version:
                bundle.renumber(Bundle(temporary, source.manifest), version)
            sync_folder(temporary)
            self._expect_highest(source, version)  # another may have published meanwhile
            try:
                temporary.rename(home / str(version))
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                    raise BundleInvalid(f"{source} has just been published by another") from error
                raise
        (home / CURRENT).unlink(missing_ok=True)
        sync_folder(home)
        return self.open(name, version)

    def rollback(self, name: str, version: int | None = None) -> Bundle:
        """Make another version current; the one before the current one by default.

        Raises:
            BundleNotFound: no such name or version, or nothing to go back to.
            BundleInvalid: the version's manifest is broken.
        """
        if version is None:
            current = self.current(name)
            earlier = [v for v in self.versions(name) if v < current]
            if not earlier:
                raise BundleNotFound(f"{name} has no version before {current}")
            version = earlier[-1]
        return self.make_current(name, version)

    def make_current(self, name: str, version: int) -> Bundle:
        """Make a version current, until the next `publish`.

        Raises:
            BundleNotFound: no such name or version.
            BundleInvalid: the version's manifest is broken.
            OSError: the file system refused; what was current still is.
        """
        found = self.open(name, version)
        home = self.root / name
        temporary = home / f".{CURRENT}-{uuid4().hex}"
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(f"{version}\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(home / CURRENT)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(home)
        return found

    def _expect_highest(self, source: Bundle, version: int) -> None:
        least = self.next_version(source.manifest.name)
        if version < least:
            raise BundleInvalid(
                f"{source} cannot be published as version {version}: {least} is the least"
            )

    def _folders(self, name: str) -> list[int]:
        home = self.root / name
        if not home.is_dir():
            return []
        folders = (path.name for path in home.iterdir() if path.is_dir())
        return sorted(int(folder) for folder in folders if _VERSION.fullmatch(folder))


@contextmanager
def _temporary_folder(home: Path) -> Iterator[Path]:
    """A hidden folder (same file system, ordinary permissions), gone if it is not renamed."""
    temporary = home / f".publish-{uuid4().hex}"
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy_durably(source: Path, target: Path) -> None:
    try:
        reader = source.open("rb")
    except FileNotFoundError as error:
        raise BundleInvalid(f"{source} is missing") from error
    with reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer)
        writer.flush()
        os.fsync(writer.fileno())


def _listed(items: list[str] | list[int]) -> str:
    return ", ".join(map(str, items)) or "none"
