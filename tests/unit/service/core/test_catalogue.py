import errno
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import cast
from unittest.mock import Mock

import pytest

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import (
    BundleInvalid,
    BundleNotFound,
    GoldenMismatch,
    InvalidRequest,
    NotReady,
    OutputError,
)
from models.repository import Repository
from service.core.catalogue import Catalogue
from service.core.serving import ServedModel


class Served:
    """Stands for a served model; knows whether it was closed."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.closed = False
        self.users = 0
        self._released = Event()

    def acquire(self) -> None:
        self.users += 1

    def release(self) -> None:
        self.users -= 1
        self._released.set()

    @property
    def in_use(self) -> bool:
        return self.users > 0

    def close(self) -> None:
        if self.in_use:
            assert self._released.wait(5)
        self.closed = True


class OnlyRead(Repository):
    """Stands for a repository whose file system cannot be written."""

    def make_current(self, name: str, version: int) -> Bundle:
        self.open(name, version)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def serve(bundle: Bundle) -> ServedModel:
    return cast("ServedModel", Served(bundle))


def closed(model: ServedModel) -> bool:
    return cast("Served", model).closed


def shown(model: ServedModel) -> tuple[str, int]:
    return model.bundle.manifest.name, model.bundle.manifest.version


@pytest.fixture
def repository(tiny_bundle: Bundle, tmp_path: Path) -> Repository:
    """The bundles a/1, a/2, b/1 and c/1."""
    for name, version in [("a", 1), ("a", 2), ("b", 1), ("c", 1)]:
        copy_bundle(tiny_bundle, tmp_path, name, version)
    return Repository(tmp_path)


def copy_bundle(source: Bundle, root: Path, name: str, version: int) -> None:
    directory = root / name / str(version)
    shutil.copytree(source.directory, directory)
    fields = source.manifest.model_dump(mode="json", exclude={"sha256"})
    bundles.write_manifest(directory, {**fields, "name": name, "version": version})


def catalogue_of(
    repository: Repository,
    *,
    capacity: int = 2,
    serve: Callable[[Bundle], ServedModel] = serve,
) -> Catalogue:
    return Catalogue(repository, serve, default_name="a", capacity=capacity)


def test_the_default_model_is_meant_where_none_is_named(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    assert catalogue.find(None, None) is None
    assert shown(catalogue.load(None, None)) == ("a", 2)
    assert catalogue.find(None, None) is catalogue.find("a", 2)


def test_a_model_is_loaded_once(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    model = catalogue.load("a", 2)
    assert catalogue.load("a", None) is model
    assert catalogue.load("a", 2) is model
    assert catalogue.loaded() == [model]


def test_versions_are_loaded_side_by_side(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    assert shown(catalogue.load("a", 1)) == ("a", 1)
    assert catalogue.find("a", None) is None
    assert shown(catalogue.load("a", None)) == ("a", 2)


def test_the_longest_unused_model_is_given_up_but_never_the_default(
    repository: Repository,
) -> None:
    catalogue = catalogue_of(repository, capacity=3)
    default, b, c = (catalogue.load(name, None) for name in (None, "b", "c"))
    assert catalogue.find("b", None) is b
    catalogue.load("a", 1)
    assert [model for model in (default, b, c) if closed(model)] == [c]
    assert catalogue.find("c", None) is None
    assert catalogue.find(None, None) is default


def test_an_idle_model_is_given_up_the_longest_unused_first(repository: Repository) -> None:
    catalogue = catalogue_of(repository, capacity=9)
    default, b, c, old = (
        catalogue.load(*asked) for asked in [(None, None), ("b", 1), ("c", 1), ("a", 1)]
    )
    assert catalogue.find("b", 1) is b
    assert catalogue.give_up_idle() == c.bundle
    assert catalogue.give_up_idle() == old.bundle
    assert [closed(model) for model in (default, b, c, old)] == [False, False, True, True]
    assert catalogue.find("c", 1) is None


def test_the_default_model_and_the_other_that_was_used_last_stay(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    default, b = catalogue.load(None, None), catalogue.load("b", None)
    assert catalogue.find(None, None) is default
    assert catalogue.give_up_idle() is None
    assert catalogue.loaded() == [b, default]


def test_a_model_that_a_request_is_using_stays(repository: Repository) -> None:
    catalogue = catalogue_of(repository, capacity=9)
    for name in (None, "b", "c"):
        catalogue.load(name, None)
    b = catalogue.borrow("b", None)
    assert b is not None
    assert catalogue.find("c", None) is not None
    assert catalogue.give_up_idle() is None
    b.release()
    assert catalogue.give_up_idle() == b.bundle


def test_a_model_that_was_given_up_answers_with_the_version_it_had(
    repository: Repository, tiny_bundle: Bundle
) -> None:
    catalogue = catalogue_of(repository, capacity=9)
    for name in (None, "b", "c"):
        catalogue.load(name, None)
    copy_bundle(tiny_bundle, repository.root, "b", 2)
    given_up = catalogue.give_up_idle()
    assert given_up is not None
    assert given_up.manifest.name == "b"
    assert catalogue.serving("b") == 1
    assert shown(catalogue.load("b", None)) == ("b", 1)


def test_a_bundle_that_cannot_be_loaded_is_told_of_and_one_that_is_not_there_is_not(
    repository: Repository,
) -> None:
    told = Mock()
    catalogue = Catalogue(repository, serve, default_name="a", capacity=2, load_failed=told)
    catalogue.load("a", None)
    with pytest.raises(BundleNotFound):
        catalogue.load("z", None)
    assert told.call_count == 0
    (repository.root / "b" / "1" / "manifest.json").write_text("{")
    with pytest.raises(BundleInvalid):
        catalogue.load("b", None)
    assert told.call_count == 1


def test_a_model_whose_version_was_deleted_answers_with_the_current_one(
    repository: Repository,
) -> None:
    repository.rollback("a", 1)
    catalogue = Catalogue(repository, serve, default_name="b", capacity=9)
    for name in (None, "a", "c"):
        catalogue.load(name, None)
    catalogue.give_up_idle()
    repository.rollback("a", 2)
    shutil.rmtree(repository.root / "a" / "1")
    assert shown(catalogue.load("a", None)) == ("a", 2)


def test_memory_is_trimmed_once_a_model_is_closed_and_free(repository: Repository) -> None:
    loaded: list[weakref.ref[ServedModel]] = []
    left: list[int] = []

    def remember(bundle: Bundle) -> ServedModel:
        model = serve(bundle)
        loaded.append(weakref.ref(model))
        return model

    catalogue = Catalogue(
        repository,
        remember,
        default_name="a",
        capacity=3,
        trim=lambda: left.append(sum(model() is not None for model in loaded)),
    )
    for name in (None, "b", "c"):
        catalogue.load(name, None)
    assert left == []
    catalogue.load("a", 1)  # beyond the capacity
    catalogue.unload("a", 1)
    catalogue.load("b", None)
    catalogue.give_up_idle()
    assert left == [3, 2, 2]


@pytest.mark.parametrize(
    ("name", "version"), [("d", None), ("a", 3), ("../a", None), ("a/1", None), (".", 1)]
)
def test_an_unknown_model_is_refused(
    repository: Repository, name: str, version: int | None
) -> None:
    with pytest.raises(BundleNotFound):
        catalogue_of(repository).load(name, version)


@pytest.mark.parametrize("name", ["model.onnx", "float.onnx", "gradient.onnx", "golden.npz"])
def test_a_bundle_with_an_altered_file_is_refused_whatever_needs_the_file(
    repository: Repository, name: str
) -> None:
    with (repository.root / "b" / "1" / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleInvalid, match=f"{name} has been altered"):
        catalogue_of(repository).load("b", None)


def test_a_model_that_fails_to_load_can_be_tried_again(repository: Repository) -> None:
    failures = [GoldenMismatch("wrong")]

    def serve_second_time(bundle: Bundle) -> ServedModel:
        if failures:
            raise failures.pop()
        return serve(bundle)

    catalogue = catalogue_of(repository, serve=serve_second_time)
    with pytest.raises(GoldenMismatch):
        catalogue.load("b", None)
    assert catalogue.loaded() == []
    assert shown(catalogue.load("b", None)) == ("b", 1)


def test_a_promoted_version_answers_where_none_is_named(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    second = catalogue.load("a", None)
    catalogue.promote("a", 1)
    first = catalogue.find("a", None)
    assert first is not None
    assert (shown(first), catalogue.serving("a")) == (("a", 1), 1)
    assert not closed(second)
    catalogue.promote("a", 2)
    assert catalogue.find("a", None) is second


def test_a_promoted_version_answers_after_a_restart_too(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    catalogue.load("a", None)
    catalogue.promote("a", 1)
    assert repository.current("a") == 1
    assert shown(catalogue_of(repository).load("a", None)) == ("a", 1)


def test_a_version_can_be_promoted_until_the_restart(repository: Repository) -> None:
    catalogue = catalogue_of(OnlyRead(repository.root))
    catalogue.load("a", None)
    catalogue.promote("a", 1, until_restart=True)
    assert (catalogue.serving("a"), repository.current("a")) == (1, 2)


def test_a_version_is_not_promoted_where_a_restart_would_undo_it(repository: Repository) -> None:
    catalogue = catalogue_of(OnlyRead(repository.root))
    catalogue.load("a", None)
    with pytest.raises(OutputError, match=r"Read-only file system; with until_restart=true"):
        catalogue.promote("a", 1)
    assert catalogue.serving("a") == 2


def test_the_current_version_of_a_repository_that_is_only_read_is_promoted(
    repository: Repository,
) -> None:
    repository.rollback("a", 1)
    catalogue = catalogue_of(OnlyRead(repository.root))
    catalogue.load("a", None)
    repository.rollback("a", 2)
    catalogue.promote("a", 2)
    assert catalogue.serving("a") == 2


def test_a_version_that_fails_to_load_changes_nothing(repository: Repository) -> None:
    def serve_second_version(bundle: Bundle) -> ServedModel:
        if bundle.manifest.version == 1:
            raise GoldenMismatch("wrong")
        return serve(bundle)

    catalogue = catalogue_of(repository, serve=serve_second_version)
    second = catalogue.load("a", None)
    with pytest.raises(GoldenMismatch):
        catalogue.promote("a", 1)
    with pytest.raises(BundleNotFound):
        catalogue.promote("a", 3)
    assert repository.current("a") == 2
    assert catalogue.find("a", None) is second
    assert catalogue.loaded() == [second]


def test_a_version_is_given_up_unless_it_answers(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    second, first = catalogue.load("a", None), catalogue.load("a", 1)
    with pytest.raises(InvalidRequest, match="a version 2 is serving: promote another first"):
        catalogue.unload("a", 2)
    catalogue.unload("a", 1)
    assert (closed(first), closed(second)) == (True, False)
    with pytest.raises(BundleNotFound, match="a version 1 is not loaded"):
        catalogue.unload("a", 1)


def test_a_version_that_a_request_uses_is_closed_after_it_and_nobody_waits(
    repository: Repository,
) -> None:
    catalogue = catalogue_of(repository)
    catalogue.load("a", None)
    catalogue.load("a", 1)
    first = catalogue.borrow("a", 1)
    assert first is not None
    catalogue.unload("a", 1)
    assert catalogue.find("a", 1) is None
    assert not closed(first)
    again = catalogue.load("a", 1)
    assert again is not first
    first.release()
    catalogue.close()
    assert closed(first)


def test_who_borrows_a_model_has_to_be_known_to_it(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    assert catalogue.borrow("a", None) is None
    model = catalogue.load("a", None)
    assert catalogue.borrow("a", None) is model
    assert cast("Served", model).users == 1


def test_closing_closes_all_models(repository: Repository) -> None:
    catalogue = catalogue_of(repository)
    models = [catalogue.load("a", None), catalogue.load("b", None)]
    catalogue.close()
    assert all(closed(model) for model in models)
    with pytest.raises(NotReady):
        catalogue.load("a", None)


def test_the_only_model_is_the_default_one(tiny_repository: Path) -> None:
    catalogue = Catalogue(Repository(tiny_repository), serve, default_name=None, capacity=1)
    assert catalogue.default_name == "tiny"


def test_of_several_models_the_one_of_the_project_is_the_default_one(
    repository: Repository, tiny_bundle: Bundle
) -> None:
    copy_bundle(tiny_bundle, repository.root, "efficientnet_lite0", 1)
    catalogue = Catalogue(repository, serve, default_name=None, capacity=1)
    assert catalogue.default_name == "efficientnet_lite0"


def test_without_a_default_model_the_names_are_listed(repository: Repository) -> None:
    with pytest.raises(BundleNotFound, match="a, b, c"):
        Catalogue(repository, serve, default_name=None, capacity=1)


def test_an_empty_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match=f"no bundle in the repository {tmp_path}"):
        Catalogue(Repository(tmp_path), serve, default_name=None, capacity=1)
