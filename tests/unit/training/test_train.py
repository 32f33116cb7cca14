"""From a folder of photos to a model that serves."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.stats import betabinom
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from models import thumbnails
from models.bundle import Bundle
from models.errors import DataError, ExportError
from models.manifest import Graph, Precision
from models.repository import Repository
from seewhy import inprocess
from service.core.ports import Arrays
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from service.settings import Settings
from training import probe
from training.calibrate import fit_temperature
from training.data.crops import crops
from training.data.dataset import Sample, Split
from training.data.preparation import prepare
from training.learn import learn
from training.learning.processes import Processes
from training.partition import partition
from training.recipe import Recipe, Strategy
from training.request import Training
from training.train import Trained, train

CLASSES = 4
PROBE = Recipe(strategy=Strategy.PROBE)
FINETUNE = Recipe(strategy=Strategy.FINETUNE, epochs=20, rate=3e-3)
IMAGES = 240


WritePhotos = Callable[[Path, Sequence[str], int], Path]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory, write_photos: WritePhotos) -> Path:
    root = tmp_path_factory.mktemp("data") / "Handwritten digits"
    return write_photos(root, [f"digit {label}" for label in range(CLASSES)], IMAGES)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def trained(digits: Path, repository: Repository) -> Trained:
    lines: list[str] = []
    found = train(Training(digits, "lenet5", "none", PROBE), repository, lines.append)
    assert any("held out" in line for line in lines)
    return found


def test_random_features_are_enough_for_digits(trained: Trained, digits: Path) -> None:
    # Logistic regression on the pixels themselves, as scikit-learn fits it.
    sides = {}
    for split in ("train", "val"):
        files = sorted((digits / split).glob("*/*.png"))
        pixels = np.stack([np.asarray(Image.open(file)).ravel() / 255 for file in files])
        sides[split] = pixels, [file.parent.name for file in files]
    pixels_alone = LogisticRegression(max_iter=1000).fit(*sides["train"]).score(*sides["val"])

    assert trained.test.calibrated.top1 >= pixels_alone - 0.05


def test_the_service_is_as_good_as_the_manifest_says(
    trained: Trained, repository: Repository, digits: Path
) -> None:
    files = sorted((digits / "val").glob("*/*.png"))

    async def answers() -> list[tuple[str, bool, float]]:
        async with inprocess.service(Settings(repository=repository.root)) as client:
            found = [await client.classify(file) for file in files]
        return [
            (one.predictions[0].label, one.calibrated, one.predictions[0].probability)
            for one in found
        ]

    labels, calibrated, probabilities = zip(*asyncio.run(answers()), strict=True)

    right = [label == file.parent.name for label, file in zip(labels, files, strict=True)]
    metrics = trained.bundle.manifest.metrics
    assert np.mean(right) == metrics["top1"]
    assert all(calibrated)
    assert abs(np.mean(probabilities) - np.mean(right)) < 0.1


def test_the_bundle_says_what_it_was_made_of(trained: Trained) -> None:
    manifest = trained.bundle.manifest

    assert str(trained.bundle) == "handwritten_digits version 1"
    assert manifest.labels == tuple(f"digit {label}" for label in range(CLASSES))
    assert manifest.provenance.created_by == (
        "seewhy train 'Handwritten digits' --backbone lenet5 --weights none --strategy probe"
    )
    assert manifest.provenance.data_fingerprint is not None
    assert manifest.calibration is not None
    assert manifest.calibration.conformal is not None


def test_the_reference_holds_what_was_learned_from(trained: Trained, digits: Path) -> None:
    reference = np.load(trained.bundle.directory / "reference.npz")

    files = {file.relative_to(digits).as_posix() for file in (digits / "train").glob("*/*.png")}
    assert set(reference["ids"].tolist()) <= files
    assert len(reference["embedding"]) == len(reference["labels"]) == len(reference["ids"])
    assert reference["embedding"].dtype == np.float16


def test_no_photo_is_kept_unless_that_was_asked_for(trained: Trained) -> None:
    assert "thumbnails.npz" not in trained.bundle.manifest.sha256


def test_the_thumbnails_show_what_was_learned_from_in_the_reference_s_order(
    digits: Path, repository: Repository
) -> None:
    request = Training(digits, "lenet5", "none", PROBE, "shown", thumbnails=True)
    bundle = train(request, repository, lambda _: None).bundle

    reference = np.load(bundle.directory / "reference.npz")
    photos = thumbnails.read(bundle.directory / "thumbnails.npz", len(reference["ids"]))
    for row, name in enumerate(reference["ids"]):
        with Image.open(digits / name) as photo, Image.open(BytesIO(photos[row])) as shown:
            apart = np.asarray(photo, float) - np.asarray(shown.convert("L"), float)
        assert np.abs(apart).mean() < 8
    assert "thumbnails.npz" in bundle.manifest.sha256
    assert bundle.manifest.provenance.created_by.endswith(" --name shown --thumbnails")


def test_the_report_is_part_of_the_bundle(trained: Trained) -> None:
    page = (trained.bundle.directory / "report.html").read_text(encoding="utf-8")

    assert "report.html" in trained.bundle.manifest.sha256
    assert f"{trained.test.calibrated.top1:.1%} are right" in page
    assert f"{trained.bundle.manifest.provenance.parameters:,}" in page  # of all layers
    assert page.count("what the network looks for in digit") == CLASSES
    assert page.count("the evidence for digit") > 0


def test_the_manifest_says_how_robust_the_model_is(trained: Trained) -> None:
    metrics = trained.bundle.manifest.metrics

    assert metrics["robustness_images"] == 60
    assert metrics["robustness_clean"] == metrics["top1"]
    assert metrics["rotation_worst"] <= min(metrics["rotation_-30"], metrics["rotation_30"])
    assert metrics["shift_worst"] <= metrics["shift_vertical_0.1"]
    assert metrics["corruption_gaussian_noise_5"] < metrics["robustness_clean"]
    attacked = [metrics[f"robust_accuracy_pgd@linf:{eps}/255"] for eps in ("0.5", "1", "2")]
    assert metrics["robustness_clean"] >= attacked[0] >= attacked[1] >= attacked[2]


def test_a_full_report_measures_robustness_on_all_held_out_images(
    parity: Path, repository: Repository
) -> None:
    short = Training(parity, "lenet5", "none", PROBE, "measured")
    few, everything = (
        train(request, repository, lambda _: None).bundle.manifest
        for request in (short, replace(short, full_report=True))
    )

    assert few.metrics["robustness_images"] == 64
    assert everything.metrics["robustness_images"] == 150
    assert everything.metrics["robustness_clean"] == everything.metrics["top1"]
    assert everything.provenance.created_by == f"{few.provenance.created_by} --full-report"


def test_one_seed_makes_one_model(digits: Path, trained: Trained, repository: Repository) -> None:
    again = train(Training(digits, "lenet5", "none", PROBE), repository, lambda _: None)

    def weights(bundle: Bundle) -> bytes:
        return (bundle.directory / "weights.bin").read_bytes()

    assert again.bundle.manifest.version == 2
    assert weights(again.bundle) == weights(trained.bundle)
    assert again.bundle.manifest.metrics == trained.bundle.manifest.metrics


def test_a_name_that_is_none_is_refused_before_any_work(
    tmp_path: Path, repository: Repository
) -> None:
    with pytest.raises(ExportError, match="no name for a bundle"):
        train(Training(tmp_path, name="My Model"), repository, lambda _: None)


def test_photos_that_are_not_there_are_an_error(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(DataError, match="photos does not exist"):
        train(Training(tmp_path / "photos", "lenet5", "none"), repository, lambda _: None)


@pytest.fixture(scope="module")
def tuned(
    parity: Path, repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trained, list[str]]:
    """A network that is better than its probe, and what was said."""
    lines: list[str] = []
    run = tmp_path_factory.mktemp("run")
    recipe = Recipe(strategy=Strategy.FINETUNE, epochs=12, rate=3e-3, noise=0.01)
    found = train(
        Training(parity, "lenet5", "none", recipe, "tuned", run=run), repository, lines.append
    )
    return found, lines


def test_a_fine_tuned_network_is_published_where_it_is_better(
    parity: Path, repository: Repository, tuned: tuple[Trained, list[str]]
) -> None:
    request = Training(parity, "lenet5", "none", PROBE, "probed")
    probed = train(request, repository, lambda _: None)
    found, lines = tuned

    page = (found.bundle.directory / "report.html").read_text(encoding="utf-8")
    outcome = next(line for line in lines if line.endswith("the trained network is published."))
    assert outcome in page
    assert found.test.calibrated.top1 > probed.test.calibrated.top1
    provenance = found.bundle.manifest.provenance
    assert "--strategy finetune --epochs 12 --rate 0.003" in provenance.created_by
    assert provenance.noise == 0.01


def test_the_sets_of_a_fine_tuned_network_hold_as_much_as_they_promise(
    tuned: tuple[Trained, list[str]],
) -> None:
    found, lines = tuned
    calibrated = 45  # half of a fifth of 450
    assert any(line.endswith(f"{calibrated} others calibrate it") for line in lines)
    images = 150

    # How many test images a set covers, over calibration and test: Angelopoulos & Bates 2021,
    # "A gentle introduction to conformal prediction", appendix C.
    for coverage in (0.8, 0.9, 0.95):
        for method, fitted_on in (("lac", calibrated), ("raps", calibrated - calibrated // 5)):
            place = int(np.ceil((fitted_on + 1) * coverage))
            law = betabinom(images, place, fitted_on + 1 - place)
            reached = found.bundle.manifest.metrics[f"coverage_{method}_{coverage:g}"]
            assert round(reached * images) >= law.ppf(0.001)


def test_the_reference_of_a_fine_tuned_network_is_in_its_own_features(
    parity: Path, tuned: tuple[Trained, list[str]]
) -> None:
    found, _ = tuned
    samples = prepare(parity, seed=0).learning

    reference = np.load(found.bundle.directory / "reference.npz")

    assert reference["ids"].tolist() == [sample.id for sample in samples]
    own = _outputs(found, samples)["embedding"]
    np.testing.assert_allclose(reference["embedding"], own, rtol=2**-10, atol=1e-3)  # float16


def test_a_users_calibration_images_calibrate_the_network(
    parity: Path, repository: Repository, tmp_path: Path
) -> None:
    files = sorted(parity.glob("train/*/*.png"), key=lambda file: int(file.stem))
    splits = (["train"] * 7 + ["validation", "calibration", "test"]) * len(files)
    table = tmp_path / "digits.csv"
    rows = [
        f"{file},{file.parent.name},{split}\n" for file, split in zip(files, splits, strict=False)
    ]
    table.write_text("".join(["path,label,split\n", *rows]), encoding="utf-8")
    lines: list[str] = []

    request = Training(table, "lenet5", "none", FINETUNE, "own", run=tmp_path / "run")
    found = train(request, repository, lines.append)

    assert any(line.endswith("the trained network is published.") for line in lines)
    own = prepare(table, seed=0).dataset.of(Split.CALIBRATION)
    assert {str(sample.file) for sample in own} <= {str(file) for file in files[8::10]}
    assert _temperature(found) == pytest.approx(
        fit_temperature(_answers(found, own), np.array([sample.label for sample in own])), rel=1e-4
    )


def _temperature(found: Trained) -> float:
    calibration = found.bundle.manifest.calibration
    assert calibration is not None
    return calibration.temperature


def _answers(found: Trained, samples: Sequence[Sample]) -> npt.NDArray[np.float32]:
    """The logits of what serves."""
    return np.asarray(_outputs(found, samples)["logits"])


def _outputs(found: Trained, samples: Sequence[Sample]) -> Arrays:
    """All that it computes."""
    session = open_graph(found.bundle, Graph.MODEL, choose(Provider.CPU))
    return session.run({"image": crops(samples, found.bundle.manifest.preprocessing)})


def test_what_the_advisor_chooses_is_done_and_can_be_repeated(
    digits: Path, repository: Repository, tmp_path: Path
) -> None:
    lines: list[str] = []
    recipe = Recipe(epochs=2, rate=1e-3)
    request = Training(digits, "lenet5", "none", recipe, "advised", run=tmp_path)

    found = train(request, repository, lines.append)

    # Random weights have learned nothing that would serve.
    (reason,) = [line for line in lines if "the network has learned nothing yet" in line]
    assert reason.endswith("blocks pays.")
    assert any(line.startswith("epoch 2 of 2") for line in lines)
    command = found.bundle.manifest.provenance.created_by
    assert "--strategy finetune --depth " in command
    assert "--epochs 2" in command
    page = (found.bundle.directory / "report.html").read_text(encoding="utf-8")
    assert "the network has learned nothing yet" in page


def test_the_advisor_sees_the_classifier_that_is_published(tmp_path: Path) -> None:
    photos = tmp_path / "rare"
    pixels, labels = load_digits(return_X_y=True)
    for label, images in ((0, 120), (1, 24)):
        (photos / str(label)).mkdir(parents=True)
        for number, digit in enumerate(pixels[labels % 2 == label][:images]):
            grey = Image.fromarray((digit.reshape(8, 8) * 15).astype(np.uint8))
            grey.resize((32, 32)).save(photos / str(label) / f"{number}.png")

    request = Training(photos, "lenet5", "none", budget=0.01)
    learned = learn(request, lambda _: None, Processes.alone())

    (logistic,) = [each for each in learned.probes if each.classifier is probe.Classifier.LOGISTIC]
    assert logistic.even, "one class has five times the images of the other"
    assert learned.advice is not None
    assert learned.advice.evidence.layers[-1].accuracy == logistic.accuracy


def test_what_was_learned_is_published_otherwise_without_learning_it_again(
    digits: Path, repository: Repository, tmp_path: Path
) -> None:
    recipe = Recipe(strategy=Strategy.FINETUNE, epochs=1, rate=1e-3)
    request = Training(
        digits, "lenet5", "none", recipe, "dear", run=tmp_path, precision=Precision.INT8,
        max_drop=-100,
    )  # fmt: skip
    with pytest.raises(ExportError, match="does not allow that"):
        train(request, repository, lambda _: None)
    lines: list[str] = []

    train(replace(request, name="cheap", max_drop=100, resume=True), repository, lines.append)

    assert "going on after epoch 1" in lines
    assert not any(line.startswith("epoch") for line in lines)
    assert "cheap" in repository.names()


def test_what_was_begun_is_gone_on_with_however_little_time_there_is(
    digits: Path, repository: Repository, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, rate=1e-3)
    request = Training(digits, "lenet5", "none", recipe, "resumed", run=tmp_path)
    train(request, repository, lambda _: None)
    lines: list[str] = []

    train(replace(request, resume=True, budget=0.01), repository, lines.append)

    assert "going on after epoch 1" in lines
    (reason,) = [line for line in lines if "the network has learned nothing yet" in line]
    assert reason.endswith("blocks pays.")


def test_the_advisor_keeps_to_its_budget(digits: Path, repository: Repository) -> None:
    lines: list[str] = []
    request = Training(digits, "lenet5", "none", name="hurried", budget=0.01)

    found = train(request, repository, lines.append)

    assert any("would take" in line for line in lines)
    assert not any(line.startswith("epoch") for line in lines)
    assert found.bundle.manifest.provenance.created_by.endswith("--strategy probe --name hurried")


def test_a_probe_is_published_where_fine_tuning_harms(
    digits: Path, trained: Trained, repository: Repository, tmp_path: Path
) -> None:
    lines: list[str] = []
    recipe = Recipe(strategy=Strategy.FINETUNE, epochs=1, rate=1e3, noise=0.01)
    request = Training(digits, "lenet5", "none", recipe, "harmed", run=tmp_path)
    found = train(request, repository, lines.append)

    assert any(line.endswith("the probe is published.") for line in lines)
    assert found.bundle.manifest.provenance.noise == 0  # the probe has seen none
    assert found.test.calibrated.top1 == trained.test.calibrated.top1
    weights = [each.bundle.manifest.sha256["weights.bin"] for each in (found, trained)]
    assert weights[0] == weights[1]


@pytest.fixture(scope="module", params=[Precision.FP16, Precision.INT8])
def rounded(request: pytest.FixtureRequest, digits: Path, repository: Repository) -> Trained:
    precision = request.param
    asked = Training(digits, "lenet5", "none", PROBE, name=precision, precision=precision)
    return train(asked, repository, lambda _: None)


def test_fewer_bits_are_published_with_what_they_cost(trained: Trained, rounded: Trained) -> None:
    manifest, exact = rounded.bundle.manifest, trained.bundle.manifest

    page = (rounded.bundle.directory / "report.html").read_text(encoding="utf-8")
    assert manifest.provenance.created_by.endswith(f"--precision {manifest.precision}")
    drop = 100 * (exact.metrics["top1"] - manifest.metrics["top1"])
    assert manifest.metrics["fp32_drop"] == pytest.approx(drop)
    assert manifest.metrics["fp32_drop_low"] < drop < manifest.metrics["fp32_drop_high"]
    assert manifest.metrics["fp32_agreement"] >= 0.95
    assert f"{manifest.precision} answers" in page
    assert not {"fp32_drop", "fp32_agreement"} & exact.metrics.keys()


def test_the_service_serves_the_rounded_model_and_explains_by_the_exact_one(
    trained: Trained, rounded: Trained, repository: Repository, digits: Path
) -> None:
    files = sorted((digits / "val").glob("*/*.png"))

    async def right(name: str) -> tuple[float, object]:
        settings = Settings(repository=repository.root, default_model=name)
        async with inprocess.service(settings) as client:
            answers = [await client.classify(file) for file in files]
            explained = await client.explain(files[0], target="digit 1", method="gradcam")
        labels = [file.parent.name for file in files]
        hits = [a.predictions[0].label == label for a, label in zip(answers, labels, strict=True)]
        return float(np.mean(hits)), explained.explanation.map

    name, exact = (each.bundle.manifest.name for each in (rounded, trained))
    accuracy, heat = asyncio.run(right(name))
    assert accuracy == rounded.bundle.manifest.metrics["top1"]
    assert heat == asyncio.run(right(exact))[1]


def test_the_rounded_model_is_calibrated_by_its_own_answers(
    trained: Trained, rounded: Trained
) -> None:
    own, exact = (each.bundle.manifest.calibration for each in (rounded, trained))
    assert own is not None
    assert exact is not None
    assert own != exact
    assert own.temperature == pytest.approx(exact.temperature, rel=0.2)

    reference = np.load(rounded.bundle.directory / "reference.npz")["embedding"]
    assert (reference != np.load(trained.bundle.directory / "reference.npz")["embedding"]).any()


def test_what_costs_more_than_allowed_is_not_published(
    digits: Path, repository: Repository
) -> None:
    asked = Training(
        digits, "lenet5", "none", PROBE, name="lossy", precision=Precision.INT8, max_drop=-100
    )

    with pytest.raises(ExportError, match="--max-drop -100 does not allow that"):
        train(asked, repository, lambda _: None)
    assert "lossy" not in repository.names()


def test_a_fine_tuned_network_is_calibrated_on_its_rounded_answers(
    parity: Path, repository: Repository, tmp_path: Path
) -> None:
    lines: list[str] = []
    request = Training(
        parity, "lenet5", "none", FINETUNE, "tuned_int8", run=tmp_path, precision=Precision.INT8
    )
    found = train(request, repository, lines.append)
    assert any(line.endswith("the trained network is published.") for line in lines)

    data = prepare(parity, seed=0)
    labels, groups = data.learning_labels, data.learning_groups
    fold, *_ = probe.folds(labels, groups, seed=0)
    rows = partition([None] * len(labels), labels, groups, fold, seed=0).calibration
    logits = _answers(found, [data.learning[row] for row in rows])
    assert _temperature(found) == pytest.approx(fit_temperature(logits, labels[rows]), rel=1e-4)
