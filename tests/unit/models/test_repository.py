"""A repository: what a reader sees before, while and after bundles are published."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from models import bundle
from models.bundle import Bundle
from models.errors import BundleInvalid, BundleNotFound
from models.repository import CURRENT, Repository

Stage = Callable[..., Bundle]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "repository"
    root.mkdir()
    return Repository(root)


@pytest.fixture
def with_three(repository: Repository, stage: Stage) -> Repository:
    for version in (1, 2, 10):
        repository.publish(stage(version=version).directory)
    return repository


def test_a_published_bundle_is_whole_and_current(repository: Repository, stage: Stage) -> None:
    staged = stage()
    published = repository.publish(staged.directory)
    bundle.verify(published)
    assert published.directory == repository.root / "tiny" / "1"
    assert published.manifest == staged.manifest
    assert repository.open("tiny") == published
    assert staged.directory.exists()


def test_names_and_versions_are_listed_in_order(with_three: Repository, stage: Stage) -> None:
    with_three.publish(stage(name="another").directory)
    assert with_three.names() == ["another", "tiny"]
    assert with_three.versions("tiny") == [1, 2, 10]


def test_only_bundles_are_listed(with_three: Repository) -> None:
    for folder in (
        "empty",
        ".git",
        "UPPER/1",
        "tiny/0",
        "tiny/07",
        "tiny/3.bak",
        "tiny/.publish-x",
    ):
        (with_three.root / folder).mkdir(parents=True)
    (with_three.root / "README.md").write_text("text")
    (with_three.root / "tiny" / "4").write_text("a file")
    assert with_three.names() == ["tiny"]
    assert with_three.versions("tiny") == [1, 2, 10]


def test_files_outside_the_manifest_stay_behind(repository: Repository, stage: Stage) -> None:
    staged = stage()
    (staged.directory / "notes.txt").write_text("scratch")
    published = repository.publish(staged.directory)
    names = sorted(path.name for path in published.directory.iterdir())
    assert names == ["golden.npz", "manifest.json", "model.onnx", "weights.bin"]


def test_others_may_read_what_is_published(repository: Repository, stage: Stage) -> None:
    mask = os.umask(0o022)
    try:
        published = repository.publish(stage().directory)
    finally:
        os.umask(mask)
    assert published.directory.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["nobody", "", ".", "..", "../repository/tiny", "tiny/1", "/"])
def test_an_unknown_name_is_not_found_and_the_known_are_named(
    with_three: Repository, name: str
) -> None:
    with pytest.raises(BundleNotFound, match="there are: tiny"):
        with_three.open(name)


@pytest.mark.parametrize("version", [3, 0, -1])
def test_an_unknown_version_is_not_found_and_the_known_are_named(
    with_three: Repository, version: int
) -> None:
    with pytest.raises(BundleNotFound, match="1, 2, 10"):
        with_three.open("tiny", version)


def test_no_repository_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match="no repository"):
        Repository(tmp_path / "nowhere").names()


def test_the_first_publish_makes_the_repository(tmp_path: Path, stage: Stage) -> None:
    repository = Repository(tmp_path / "new" / "repository")
    repository.publish(stage().directory)
    assert repository.names() == ["tiny"]


def test_the_next_version_is_one_above_the_highest(with_three: Repository) -> None:
    assert with_three.next_version("tiny") == 11
    assert with_three.next_version("new") == 1


@pytest.mark.parametrize("version", [1, 2, 9, 10])
def test_a_version_has_to_be_a_new_highest(
    with_three: Repository, stage: Stage, version: int
) -> None:
    staged = stage(version=version, weights=b"other")
    with pytest.raises(BundleInvalid, match="11 is the least"):
        with_three.publish(staged.directory)
    assert with_three.versions("tiny") == [1, 2, 10]
    bundle.verify(with_three.open("tiny"))


def test_a_bundle_can_be_published_as_another_version(with_three: Repository, stage: Stage) -> None:
    staged = stage(version=1, weights=b"other")

    published = with_three.publish(staged.directory, version=11)

    bundle.verify(published)
    assert (published.manifest.version, with_three.current("tiny")) == (11, 11)
    assert published.manifest.sha256 == staged.manifest.sha256
    assert bundle.read(staged.directory).manifest.version == 1


def test_rollback_makes_the_version_before_current(with_three: Repository) -> None:
    assert with_three.rollback("tiny").manifest.version == 2
    assert with_three.current("tiny") == 2
    assert with_three.rollback("tiny").manifest.version == 1
    assert with_three.open("tiny").manifest.version == 1
    with pytest.raises(BundleNotFound, match="no version before 1"):
        with_three.rollback("tiny")


def test_rollback_goes_to_any_version(with_three: Repository) -> None:
    with_three.rollback("tiny", 1)
    assert with_three.rollback("tiny", 10).manifest.version == 10
    with pytest.raises(BundleNotFound, match="no version 3"):
        with_three.rollback("tiny", 3)
    assert with_three.current("tiny") == 10


def test_a_version_that_cannot_be_made_current_leaves_the_pointer_as_it_was(
    with_three: Repository,
) -> None:
    with_three.make_current("tiny", 1)
    with pytest.raises(BundleNotFound, match="no version 3"):
        with_three.make_current("tiny", 3)
    assert with_three.current("tiny") == 1
    pointer = with_three.root / "tiny" / CURRENT
    pointer.unlink()
    pointer.mkdir()  # a file cannot replace it
    before = sorted(pointer.parent.iterdir())
    with pytest.raises(OSError, match="directory"):
        with_three.make_current("tiny", 2)
    assert sorted(pointer.parent.iterdir()) == before


def test_publishing_after_a_rollback_makes_the_new_version_current(
    with_three: Repository, stage: Stage
) -> None:
    with_three.rollback("tiny", 1)
    with_three.publish(stage(version=11).directory)
    assert with_three.current("tiny") == 11


@pytest.mark.parametrize("text", [b"", b"3", b"latest", b"../2", b"-1", b"\xff"])
def test_a_pointer_to_no_version_is_an_error(with_three: Repository, text: bytes) -> None:
    (with_three.root / "tiny" / CURRENT).write_bytes(text)
    with pytest.raises(BundleInvalid, match="1, 2, 10"):
        with_three.open("tiny")
    assert with_three.open("tiny", 2).manifest.version == 2


def test_a_pointer_that_cannot_be_read_is_an_error(with_three: Repository) -> None:
    (with_three.root / "tiny" / CURRENT).mkdir()
    with pytest.raises(BundleInvalid, match="current cannot be read: Is a directory"):
        with_three.open("tiny")


def test_a_bundle_in_anothers_place_is_invalid(with_three: Repository) -> None:
    (with_three.root / "tiny" / "10").rename(with_three.root / "tiny" / "11")
    with pytest.raises(BundleInvalid, match="holds tiny version 10"):
        with_three.open("tiny")


def test_an_altered_bundle_is_not_published(repository: Repository, stage: Stage) -> None:
    staged = stage()
    (staged.directory / "weights.bin").write_bytes(b"altered")
    with pytest.raises(BundleInvalid, match="altered"):
        repository.publish(staged.directory)
    assert repository.names() == []


def test_a_bundle_that_lacks_a_file_is_not_published(repository: Repository, stage: Stage) -> None:
    staged = stage()
    (staged.directory / "weights.bin").unlink()
    with pytest.raises(BundleInvalid, match=r"weights\.bin is missing"):
        repository.publish(staged.directory)
    assert repository.names() == []
    assert list((repository.root / "tiny").iterdir()) == []


DIES_BEFORE_THE_RENAME = """
import os, pathlib, sys
from models.repository import Repository
pathlib.Path.rename = lambda *_: os._exit(9)
Repository(pathlib.Path(sys.argv[1])).publish(pathlib.Path(sys.argv[2]))
"""


def test_a_publisher_killed_before_the_rename_harms_nobody(
    with_three: Repository, stage: Stage
) -> None:
    staged = stage(version=11).directory
    paths = [str(with_three.root), str(staged)]
    command = [sys.executable, "-c", DIES_BEFORE_THE_RENAME, *paths]
    assert subprocess.run(command, check=False, timeout=60).returncode == 9
    assert len(list((with_three.root / "tiny").glob(".publish-*"))) == 1
    assert with_three.versions("tiny") == [1, 2, 10]
    assert with_three.open("tiny").manifest.version == 10
    assert with_three.publish(staged).manifest.version == 11


def test_of_two_publishers_of_a_version_one_wins(
    repository: Repository, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stage(weights=b"first"), stage(weights=b"second")

    rename = Path.rename

    def overtaken(path: Path, target: Path) -> Path:
        monkeypatch.undo()
        repository.publish(first.directory)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    with pytest.raises(BundleInvalid, match="by another"):
        repository.publish(second.directory)
    assert (repository.open("tiny").directory / "weights.bin").read_bytes() == b"first"
    assert sorted(path.name for path in (repository.root / "tiny").iterdir()) == ["1"]


def test_a_version_that_another_overtakes_while_it_is_copied_is_refused(
    repository: Repository, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = stage(version=1), stage(version=2)

    def verify(found: Bundle) -> None:
        monkeypatch.undo()
        bundle.verify(found)
        repository.publish(quick.directory)

    monkeypatch.setattr("models.bundle.verify", verify)

    with pytest.raises(BundleInvalid, match="3 is the least"):
        repository.publish(slow.directory)

    assert repository.versions("tiny") == [2]


def test_a_file_that_is_badly_copied_is_not_published(
    repository: Repository, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:-1])

    monkeypatch.setattr("models.repository._copy_durably", cut_off)

    with pytest.raises(BundleInvalid):
        repository.publish(stage(version=1).directory)

    assert not (repository.root / "tiny" / "1").exists()


def test_a_reader_never_sees_half_a_bundle(repository: Repository, stage: Stage) -> None:
    staged = [stage(version=version, weights=bytes(300_000)) for version in range(1, 21)]
    repository.publish(staged[0].directory)
    done = threading.Event()
    seen: set[int] = set()
    problems: list[Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                found = repository.open("tiny")
                bundle.verify(found)
                seen.add(found.manifest.version)
            except Exception as error:  # noqa: BLE001 - any error at all is the finding
                problems.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for new in staged[1:]:
            repository.publish(new.directory)
            repository.rollback("tiny")
    finally:
        done.set()
        for reader in readers:
            reader.join(10)
    assert problems == []
    assert len(seen) > 1
