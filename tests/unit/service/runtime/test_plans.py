import shutil
from pathlib import Path

import pytest

from models import bundle as bundles
from models.bundle import Bundle
from models.repository import Repository
from service.core.plan import Plan
from service.runtime import caches, plans, tuning
from service.runtime.providers import Provider, choose
from service.runtime.tuning import Tuned, Tuning

CPU = choose(Provider.CPU)


class Tuner:
    """Answers with one plan after another, and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.undisturbed = True

    def __call__(self, *_: object, **__: object) -> Tuned:
        self.calls += 1
        return Tuned(Plan(self.calls, 1, 1), self.undisturbed)


@pytest.fixture
def tuner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tuner:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tuner = Tuner()
    monkeypatch.setattr(tuning, "tune", tuner)
    return tuner


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    shutil.copytree(tiny_bundle.directory, tmp_path / "repository" / "tiny" / "1")
    return bundles.read(tmp_path / "repository" / "tiny" / "1")


def plan_for(bundle: Bundle, effort: Tuning = Tuning.QUICK, max_batch: int = 16) -> Plan:
    return plans.plan_for(bundle, CPU, effort, threads=0, max_batch=max_batch)


def test_a_plan_is_measured_once(tuner: Tuner, bundle: Bundle) -> None:
    assert plan_for(bundle) == plan_for(bundle) == Plan(1, 1, 1)
    assert tuner.calls == 1


def test_a_plan_that_other_work_disturbed_is_measured_again(
    tuner: Tuner, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    tuner.undisturbed = False
    assert plan_for(bundle) == Plan(1, 1, 1)
    assert "measured again at the next start" in caplog.text
    tuner.undisturbed = True
    assert plan_for(bundle) == plan_for(bundle) == Plan(2, 1, 1)


def test_plans_are_no_part_of_the_repository(tuner: Tuner, bundle: Bundle) -> None:
    plan_for(bundle)
    repository = Repository(bundle.directory.parents[1])
    assert (repository.names(), repository.versions("tiny")) == (["tiny"], [1])
    bundles.verify(repository.open("tiny"))
    assert tuner.calls == 1


def test_what_changes_the_plan_has_it_measured_again(tuner: Tuner, bundle: Bundle) -> None:
    plan_for(bundle)
    plan_for(bundle, max_batch=8)
    assert tuner.calls == 2
    with (bundle.directory / "weights.bin").open("ab") as file:
        file.write(b"x")
    fields = bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    plan_for(bundles.write_manifest(bundle.directory, fields))
    assert tuner.calls == 3


def test_a_thorough_plan_is_good_for_a_quick_start_and_not_the_reverse(
    tuner: Tuner, bundle: Bundle
) -> None:
    plan_for(bundle, Tuning.QUICK)
    assert plan_for(bundle, Tuning.FULL) == Plan(2, 1, 1)
    assert plan_for(bundle, Tuning.QUICK) == Plan(2, 1, 1)
    assert tuner.calls == 2


def test_without_tuning_nothing_is_measured_or_written(tuner: Tuner, bundle: Bundle) -> None:
    assert plan_for(bundle, Tuning.OFF) == Plan(1, 0, 16)
    assert tuner.calls == 0
    assert not (bundle.directory.parent / caches.FOLDER).exists()


def test_beside_a_repository_that_cannot_be_written_the_user_s_cache_remembers(
    tuner: Tuner, bundle: Bundle, tmp_path: Path
) -> None:
    # A file in the folder's place: it stops the superuser too.
    (bundle.directory.parent / caches.FOLDER).write_text("")
    assert plan_for(bundle) == plan_for(bundle)
    assert tuner.calls == 1
    assert len(list((tmp_path / "cache" / "seewhy" / "plans").iterdir())) == 1


def test_where_nothing_can_be_written_the_log_says_so(
    tuner: Tuner, bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (bundle.directory.parent / caches.FOLDER).write_text("")
    (tmp_path / "cache").write_text("")
    assert plan_for(bundle) == Plan(1, 1, 1)
    assert "will be measured at the next start" in caplog.text
    assert plan_for(bundle) == Plan(2, 1, 1)
    assert tuner.calls == 2


@pytest.mark.parametrize("text", ["", "[]", '{"sessions": 1}'])
def test_a_broken_plan_is_measured_again(
    tuner: Tuner, bundle: Bundle, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    plan_for(bundle)
    (path,) = (bundle.directory.parent / caches.FOLDER).iterdir()
    path.write_text(text)
    assert plan_for(bundle) == Plan(2, 1, 1)
    assert "cannot be read" in caplog.text
    assert tuner.calls == 2
