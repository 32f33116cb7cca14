"""A study of the tiny model, whose answers hang on its photos' mean colours."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import DataError
from models.repository import Repository
from service.settings import ZOO
from training.robustness.outcome import Outcome
from training.robustness.study import ATTACKS, EPS, Study, carry_out

SIDE = 32


@pytest.fixture(scope="module")
def study(tiny_bundle: Bundle) -> Study:
    """Photos that are redder than green, from hardly to very much."""
    crops = np.full((8, SIDE, SIDE, 3), 100, dtype=np.uint8)
    crops[..., 0] += np.arange(1, 9, dtype=np.uint8)[:, None, None] ** 2
    crops[..., 2] = 20
    return Study(tiny_bundle, crops, np.zeros(8, dtype=np.int64), seed=0, source=tiny_bundle)


@pytest.fixture(scope="module")
def outcome(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    file = tmp_path_factory.mktemp("study") / "results.json"
    *_, (done, total, name, results) = carry_out(study, file)
    assert (done, name) == (total, "")
    assert json.loads(file.read_text())["results"] == results
    return Outcome(results)


def test_pgd_leaves_what_the_closed_form_says(outcome: Outcome) -> None:
    # The margin is 12 (r^2 - g^2) + ..., so equal steps towards each other decide: an image that
    # is d levels redder falls where eps is more than d / 2 levels.
    levels = [0.5, 1, 2, 4, 8, 64]
    redder = np.arange(1, 9) ** 2
    expected = [np.mean(redder / 2 > level) for level in levels]

    np.testing.assert_allclose(outcome.attacks["pgd"], expected, atol=1 / 8)
    assert outcome.clean == 1


def test_the_worst_case_is_over_all_attacks(outcome: Outcome) -> None:
    shares = outcome.attacks

    assert set(shares) == {*ATTACKS, "transfer", "worst"}
    for position in range(len(EPS)):
        assert shares["worst"][position] <= min(shares[name][position] for name in ATTACKS)


def test_what_falls_in_a_small_ball_falls_in_every_larger_one(outcome: Outcome) -> None:
    smaller, larger = (ATTACKS["fgsm"].format(eps) for eps in EPS[:2])
    lucky = {smaller: [False] + [True] * 7, larger: [True] * 8}

    found = Outcome({**outcome.results, **lucky})

    assert found.attacks["fgsm"][:2] == [7 / 8, 7 / 8]
    assert found.metrics["robust_accuracy_fgsm@linf:1/255"] == 7 / 8
    assert not found.sanity[0].holds, "by itself, the larger one rises"


def test_an_attack_transfers_to_the_same_model(outcome: Outcome) -> None:
    np.testing.assert_allclose(outcome.attacks["transfer"], outcome.attacks["pgd"], atol=1 / 8)


def test_margins_are_the_closed_forms(outcome: Outcome) -> None:
    # The median image is 16 to 25 levels redder than green.
    assert 16 / 2 <= 255 * outcome.margins["linf"]["50%"] <= 25 / 2 * 1.1


def test_a_model_that_hides_nothing_is_sane(outcome: Outcome) -> None:
    assert [each.claim for each in outcome.sanity if not each.holds] == []
    assert len(outcome.sanity) == 5


def test_a_model_that_hides_its_gradients_is_found_out(outcome: Outcome) -> None:
    """White-box attacks that find nothing where a search and more steps do."""
    standing = [True] * 8
    masked = {ATTACKS[name].format(eps): standing for name in ("pgd", "apgd") for eps in EPS} | {
        ATTACKS["square"].format(eps): [False] * 8 for eps in EPS
    }

    failed = [each for each in Outcome({**outcome.results, **masked}).sanity if not each.holds]

    assert len(failed) == 4  # only the fall with eps still holds


def test_metrics_are_named_by_the_attacks(outcome: Outcome) -> None:
    assert outcome.metrics["robust_accuracy_pgd@linf:1/255"] == outcome.attacks["pgd"][1]


def test_only_imagenets_classes_are_held_against_alexnet(study: Study) -> None:
    assert not study.imagenet
    assert replace(study, bundle=Repository(ZOO).open("efficientnet_lite0")).imagenet


def test_what_was_measured_is_not_measured_again(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    list(islice(carry_out(study, file), 4))  # cut off after three steps
    stored = json.loads(file.read_text())
    assert len(stored["results"]) == 3
    stored["results"]["mishaps"]["robustness_clean"] = 0.125
    file.write_text(json.dumps(stored))

    *_, (_, _, _, results) = carry_out(study, file)

    assert results["mishaps"]["robustness_clean"] == 0.125
    assert len(results) > 20


@pytest.mark.parametrize("content", ["{}", "no JSON", "[]"])
def test_a_file_of_something_else_is_refused(study: Study, tmp_path: Path, content: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(content)

    with pytest.raises(DataError, match="no results of an earlier run"):
        next(carry_out(study, file))


def test_results_of_other_labels_are_not_gone_on_with(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    labels = np.array([0, 1] * 4)
    list(islice(carry_out(replace(study, labels=labels), file), 2))

    with pytest.raises(DataError, match="another model or other images"):
        next(carry_out(replace(study, labels=1 - labels), file))


def test_a_model_of_other_classes_is_no_source(study: Study, tmp_path: Path) -> None:
    other = replace(study, source=Repository(ZOO).open("efficientnet_lite0"))

    with pytest.raises(DataError, match="its classes are others"):
        next(carry_out(other, tmp_path / "results.json"))


def test_a_model_that_sees_larger_images_is_no_source(
    study: Study, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    larger = tiny_bundle.manifest.preprocessing.model_copy(update={"crop": (40, 40)})
    manifest = tiny_bundle.manifest.model_copy(update={"preprocessing": larger})
    other = replace(study, source=Bundle(tiny_bundle.directory, manifest))

    with pytest.raises(DataError, match="images of another size"):
        next(carry_out(other, tmp_path / "results.json"))


def test_certified_radii_are_those_that_samples_can_certify(outcome: Outcome) -> None:
    radii = list(outcome.certified)

    assert radii == [0, 0.125, 0.25, 0.375, 0.5]
    # The reddest images are far from any boundary, under noise too.
    assert outcome.certified[0.5] > 0


def test_results_of_another_seed_are_not_gone_on_with(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    list(islice(carry_out(study, file), 2))

    with pytest.raises(DataError, match="another model or other images"):
        next(carry_out(replace(study, seed=1), file))
