"""Which models may be judged on the photos that a data set holds out."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import TrainingError
from models.repository import Repository
from training.baselines.published import named, published
from training.data.preparation import Prepared, prepare
from training.recipe import Recipe, Strategy
from training.request import Training
from training.train import train


@pytest.fixture(scope="module")
def data(noughts_and_ones: Path) -> Prepared:
    return prepare(noughts_and_ones, seed=3)


@pytest.fixture(scope="module")
def repository(noughts_and_ones: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Holds the model `ours`, which learned from the photos as seed 3 splits them."""
    repository = Repository(tmp_path_factory.mktemp("models"))
    recipe = Recipe(strategy=Strategy.PROBE)
    train(
        Training(noughts_and_ones, "linear", "none", recipe, name="ours", seed=3),
        repository,
        lambda _: None,
    )
    return repository


def test_a_model_that_learned_from_the_photos_is_found(
    repository: Repository, data: Prepared
) -> None:
    assert [bundle.manifest.name for bundle in published(repository, data, seed=3)] == ["ours"]
    assert named(repository, "ours", data, seed=3).manifest.name == "ours"


def test_another_seed_may_hold_out_what_a_model_has_learned(
    repository: Repository, data: Prepared
) -> None:
    assert published(repository, data, seed=4) == []
    with pytest.raises(TrainingError, match=r"ours version 1 may have learned .* --seed 3"):
        named(repository, "ours", data, seed=4)


def test_a_model_of_other_photos_is_left_out(repository: Repository, data: Prepared) -> None:
    others = replace(data, fingerprint="other photos")
    assert published(repository, others, seed=3) == []
    with pytest.raises(TrainingError, match="did not learn from these photos"):
        named(repository, "ours", others, seed=3)
