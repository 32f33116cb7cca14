"""What a trained bundle promises is kept, as its clients see it: through HTTP, on new photos.

The oracles are scipy's beta-binomial, scikit-learn's area under the curve and plain loops.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import betabinom
from sklearn.metrics import roc_auc_score
from starlette.testclient import TestClient

from models.repository import Repository
from service.app import create_app
from service.settings import Settings
from training.recipe import Recipe, Strategy
from training.request import Training
from training.train import train

SHARED = Path(__file__).parents[4] / "shared" / "data"
COVERAGES = (0.8, 0.9, 0.95)
SURE_99 = 0.99


@dataclass(frozen=True)
class Case:
    """A service with a model, its report, and photos that it has not seen.

    `promised` is its accuracy on them by its report, `calibrated_on` the number of photos that
    it was calibrated on.
    """

    client: TestClient
    promised: float
    calibrated_on: int
    known: Sequence[Path]

    def ask(self, photos: Sequence[Path], **options: Any) -> list[dict[str, Any]]:
        answers = [
            self.client.post("/classify", params=options, content=photo.read_bytes())
            for photo in photos
        ]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json() for answer in answers]


def serve(root: Path, data: Path, backbone: str, weights: str) -> Iterator[Case]:
    recipe = Recipe(strategy=Strategy.PROBE)
    trained = train(
        Training(data, backbone, weights, recipe), Repository(root), lambda _: None
    ).bundle
    reference = np.load(trained.directory / "reference.npz")
    photos = sorted(path for path in (data / "val").glob("*/*") if path.is_file())
    with TestClient(create_app(Settings(repository=root, provider="cpu", threads=1))) as client:
        promised = trained.manifest.metrics["top1"]
        yield Case(client, promised, len(reference["labels"]), photos)


@pytest.fixture(scope="module")
def digits(
    tmp_path_factory: pytest.TempPathFactory,
    write_photos: Callable[[Path, Sequence[str], int], Path],
) -> Iterator[Case]:
    root = tmp_path_factory.mktemp("digits")
    data = write_photos(root / "data", [f"digit {label}" for label in range(8)], 900)
    yield from serve(root / "repository", data, "lenet5", "none")


def real(name: str, root: Path) -> Iterator[Case]:
    if not SHARED.is_dir():
        pytest.skip(f"needs {name} of ../shared/data")
    yield from serve(root, SHARED / name, "efficientnet_lite0", "package")


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    yield from real("flowers17", tmp_path_factory.mktemp("flowers"))


@pytest.fixture(
    params=["digits", pytest.param("flowers", marks=pytest.mark.slow)],
)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


def rightness(answers: Sequence[dict[str, Any]], photos: Sequence[Path]) -> npt.NDArray[np.bool_]:
    names = [answer["predictions"][0]["label"] for answer in answers]
    return np.array([n == photo.parent.name for n, photo in zip(names, photos, strict=True)])


def confidences(answers: Sequence[dict[str, Any]]) -> npt.NDArray[np.float64]:
    return np.array([answer["predictions"][0]["probability"] for answer in answers])


def calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The expected calibration error over 15 bins of equal width, by a loop."""
    total = 0.0
    for bin_ in range(15):
        inside = (confidence > bin_ / 15) & (confidence <= (bin_ + 1) / 15)
        if inside.any():
            gap = abs(confidence[inside].mean() - right[inside].mean())
            total += gap * float(inside.mean())
    return total


def test_as_many_answers_are_right_as_the_report_says(case: Case) -> None:
    right = rightness(case.ask(case.known), case.known)
    assert right.sum() == round(case.promised * len(case.known))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hymenoptera", "magnetic_tile"])
def test_as_many_real_photos_are_right_as_the_report_says(name: str, tmp_path: Path) -> None:
    for case in real(name, tmp_path):
        test_as_many_answers_are_right_as_the_report_says(case)


@pytest.mark.parametrize("coverage", COVERAGES)
def test_sets_hold_the_true_class_as_often_as_they_say(case: Case, coverage: float) -> None:
    held = {}
    for sets in ("lac", "raps"):
        answers = case.ask(case.known, coverage=coverage, sets=sets)
        assert {answer["coverage"] for answer in answers} == {coverage}
        held[sets] = sum(
            photo.parent.name in {member["label"] for member in answer["prediction_set"]}
            for answer, photo in zip(answers, case.known, strict=True)
        )
    for sets, images in (
        ("lac", case.calibrated_on),
        ("raps", math.ceil(case.calibrated_on * 0.8)),
    ):
        place = math.ceil((images + 1) * coverage)
        fewest, most = betabinom.interval(SURE_99, len(case.known), place, images + 1 - place)
        assert fewest <= held[sets] <= most


def test_probabilities_are_as_honest_as_chance_allows(case: Case) -> None:
    answers = case.ask(case.known)
    confidence, right = confidences(answers), rightness(answers, case.known)
    generator = np.random.default_rng(0)
    honest = [
        calibration_error(confidence, generator.random(len(confidence)) < confidence)
        for _ in range(500)
    ]
    assert all(answer["calibrated"] for answer in answers)
    assert calibration_error(confidence, right) <= np.quantile(honest, 0.95)


def test_the_surer_an_answer_has_to_be_the_oftener_accepted_ones_are_right(case: Case) -> None:
    right = rightness(case.ask(case.known), case.known)
    accuracy, accepted = [], []
    for least in (0.0, 0.6, 0.9):
        answers = case.ask(case.known, min_probability=least, max_ood_percentile=100)
        kept = np.array([answer["decision"] == "accept" for answer in answers])
        np.testing.assert_array_equal(kept, confidences(answers) >= least)
        accuracy.append(right[kept].mean())
        accepted.append(int(kept.sum()))
    assert accepted[0] == len(case.known)
    assert accuracy[0] < accuracy[-1]
    assert accuracy == sorted(accuracy)
    assert accepted == sorted(accepted, reverse=True)


def test_by_itself_a_bundle_accepts_what_is_mostly_right_and_says_why(case: Case) -> None:
    answers = case.ask(case.known)
    kept = np.array([answer["decision"] == "accept" for answer in answers])
    assert rightness(answers, case.known)[kept].mean() > 0.9
    assert kept.mean() > 0.5
    assert all(answer["reason"] for answer in answers)


def test_photos_that_belong_spread_over_the_percentiles(case: Case) -> None:
    percentiles = [answer["ood"]["percentile"] for answer in case.ask(case.known)]
    assert 35 < np.mean(percentiles) < 65


def scores(answers: Sequence[dict[str, Any]]) -> list[float]:
    return [answer["ood"]["score"] for answer in answers]


@pytest.mark.slow
@pytest.mark.parametrize(("other", "at_least"), [("magnetic_tile", 0.95), ("hymenoptera", 0.9)])
def test_photos_of_other_things_are_out_of_the_distribution(
    flowers: Case, other: str, at_least: float
) -> None:
    photos = sorted(path for path in (SHARED / other / "val").glob("*/*") if path.is_file())
    known, new = scores(flowers.ask(flowers.known)), scores(flowers.ask(photos))
    truth = [0] * len(known) + [1] * len(new)
    assert roc_auc_score(truth, known + new) >= at_least
