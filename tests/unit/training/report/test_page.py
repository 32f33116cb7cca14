"""The report: what it tells, and that it needs nothing else."""

import base64
import math
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from models.manifest import (
    Calibration,
    Conformal,
    Decision,
    Lac,
    MethodName,
    OutOfDistribution,
    Precision,
    Provenance,
    Raps,
    Squeezing,
)
from service.core.classification import Prediction
from service.core.robustness.geometry import Axis
from training.advisor import Evidence, advise
from training.forest import Forest
from training.history import Epoch, History
from training.judgement import judge
from training.label_errors import Suspect
from training.layers import Transfer
from training.learning.batches import Examples
from training.learning.rate_finder import Sweep
from training.partition import Partition
from training.precision_loss import PrecisionLoss
from training.probe import Classifier, LinearHead, Probe
from training.recipe import Metric, Recipe, Strategy
from training.report.explanations import Explained, Explanations
from training.report.inside import Inside
from training.report.layers import Layer, LayerTable
from training.report.lesson import lesson
from training.report.page import SUSPECTS, Contents, Shown, render
from training.report.visualisation import Visualisation
from training.robustness.adversarial import Adversarial
from training.robustness.measurement import Robustness, Sensitivity
from training.saliency.comparison import Faithfulness
from training.saliency.randomization import Stage
from training.saliency.recommendation import Recommendation
from training.score import Score
from training.tuning import Tuning

NAMES = ("ants & <bees>", "wasps")
IMAGES = 40


def shown(name: str, generator: np.random.Generator) -> Shown:
    crops = generator.integers(0, 256, (IMAGES, 24, 32, 3), dtype=np.uint8)
    return Shown([f"{name}{number}.jpg" for number in range(IMAGES)], crops)


def recommendation() -> Recommendation:
    def measured(method: MethodName, insertion: float, passes: float) -> Faithfulness:
        eighth, quarter, one = (np.array([number]) for number in (0.125, 0.25, 1.0))
        return Faithfulness(method, np.array([insertion]), eighth, quarter, one, passes)

    compared = [measured("layercam", 0.875, 1), measured("gradient", 0.5, 2)]
    falls = [Stage(0.5, 0.75), Stage(1.0, 0.123)]
    stuck = [Stage(0.5, 0.95), Stage(1.0, 0.911)]
    return Recommendation(16, compared, {"layercam": stuck, "gradient": falls}, "gradient")


def robustness(generator: np.random.Generator) -> Robustness:
    def sensitivity(*amounts: float) -> Sensitivity:
        return Sensitivity(amounts, generator.random((len(amounts), 20)) < 0.9)

    shifts = {axis: sensitivity(-0.1, 0, 0.1) for axis in Axis}
    corruptions = {"gaussian_noise": {1: 0.815, 3: 0.613, 5: 0.207}}
    return Robustness(20, 0.953, corruptions, sensitivity(-30, 0, 30), shifts)


@pytest.fixture(scope="module")
def contents() -> Contents:
    generator = np.random.default_rng(0)
    labels = np.arange(IMAGES) % 2
    logits = generator.normal(size=(IMAGES, 2)) + 2 * np.eye(2)[labels]
    calibration = Calibration(
        temperature=1.37,
        conformal=Conformal(
            lac=Lac(thresholds={"0.9": 0.6}),
            raps=Raps(thresholds={"0.9": 0.8}, penalty=0.1, k_reg=1),
        ),
        ood=OutOfDistribution(
            energy=tuple(np.linspace(-20, 0, 101).tolist()),
            nearest_neighbour=tuple(np.linspace(0, 1, 101).tolist()),
            k=1,
        ),
        decision=Decision(min_probability=0.812, max_ood_percentile=99),
    )
    head = LinearHead(np.zeros((2, 3)), np.zeros(2))
    scores = [Score(loss, 0.9, 0.88) for loss in (0.31, 0.47)]
    probes = [Probe(Classifier.SVM, 0.001, head, logits, score) for score in scores]
    return Contents(
        title="insects version 3",
        provenance=Provenance(
            backbone="tinynet",
            weights="PyPI tiny 1.0",
            licence="MIT",
            created_by="seewhy train insects",
            parameters=7,
            seed=3,
            data_fingerprint="ab" * 32,
            libraries={"torch": "2.15.0"},
        ),
        recipe=Recipe(strategy=Strategy.PROBE),
        names=NAMES,
        findings=("30 images to learn from", "left out: a<b.jpg"),
        probes=probes,
        forest=Forest(200, loss=0.612, accuracy=0.85),
        lesson=None,
        advice=None,
        calibration=calibration,
        loss=None,
        judged=judge(logits, labels, NAMES, calibration),
        robustness=robustness(generator),
        adversarial=Adversarial({"pgd@linf:1/255": 0.314}),
        squeezing=Squeezing(
            threshold=1.25,
            images=32,
            false_alarms=0.0625,
            attack="pgd@linf:2/255",
            detection_rate=0.719,
        ),
        suspects=[Suspect(index=7, label=0, likelier=1, probability=0.93)],
        test=shown("photo", generator),
        learning=shown("learned", generator),
        recommendation=recommendation(),
        inside=Inside("tinynet", LayerTable(()), [], Explanations("gradcam", [], [])),
    )


class Reader(HTMLParser):
    """Collects an HTML page's text and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.text += " "
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in {"src", "href"} and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def words(contents: Contents) -> str:
    """The page's text, with single spaces."""
    return " ".join(Reader(render(contents)).text.split())


def test_the_page_tells_what_was_found(contents: Contents) -> None:
    text = words(contents)

    found = contents.judged.calibrated
    assert f"Of 40 held-out images {found.top1:.1%} are right" in text
    assert "seewhy train insects" in text
    assert "left out: a<b.jpg" in text
    assert "ants & <bees>" in text
    assert "Temperature 1.37" in text
    assert f"RAPS 90% {contents.judged.sets[1].reached:.1%}" in text
    assert "svm (best) 0.001 0.310 90.0%" in text


def test_the_page_says_how_it_was_made(contents: Contents) -> None:
    text = words(contents)

    assert "backbone tinynet weights PyPI tiny 1.0, licence: MIT" in text
    assert f"data fingerprint {'ab' * 32} seed 3" in text
    assert "strategy probe balance auto metric log-loss libraries torch 2.15.0" in text


def test_the_page_says_what_rate_the_sweep_has_found(contents: Contents) -> None:
    examples = Examples(contents.learning.crops, np.arange(IMAGES) % 2)
    epochs = (Epoch(0, math.nan, math.nan, Score(0.5, 0.8, 0.8)),)
    history = History(Metric.LOG_LOSS, epochs, Sweep((1e-5, 1e-4), (1.0, 0.9), 3e-5))
    everything = np.arange(IMAGES)
    tuning = Tuning(
        history, examples, Partition(everything, everything, everything), epochs[0].score, {}
    )
    recipe = Recipe(strategy=Strategy.FINETUNE)
    trained = replace(contents, recipe=recipe, lesson=lesson(tuning, recipe, seed=0))

    assert "rate 3.0e-05, found by the sweep" in words(trained)
    assert "augment flip" in words(trained)


def test_the_page_says_what_to_do_next(contents: Contents) -> None:
    assert "What to do next Look at the labels that are doubted below (1)" in words(contents)


def test_the_page_says_what_is_left_to_a_human_look(contents: Contents) -> None:
    text = words(contents)

    assert "is more than 0.990, as for 1% of the images that calibrated" in text
    assert "half of which are nearer than 0.500" in text
    assert "less probable than 0.812" in text
    assert "lies from -19.8 to -0.2" in text


def test_of_many_classes_the_page_tells_the_five_best(contents: Contents) -> None:
    calibrated = replace(contents.judged.calibrated, top5=0.987)
    judged = replace(contents.judged, calibrated=calibrated)

    text = words(replace(contents, judged=judged))

    assert "among the five most probable for 98.7%" in text
    assert "five most probable" not in Reader(render(contents)).text


def test_the_page_says_what_was_advised_and_shows_the_layers(contents: Contents) -> None:
    layers = [Transfer(blocks, 2, blocks / 3, IMAGES) for blocks in (1, 2)]
    evidence = Evidence(20, layers, shift=0.1, pretrained=True, forward=0.02, spent=1.0)
    advice = advise(evidence, Recipe(), 600)
    page = Reader(render(replace(contents, advice=advice)))

    assert advice.reason in " ".join(page.text.split())
    without = Reader(render(contents))
    assert page.tags.count("svg") == without.tags.count("svg") + 1


def test_the_page_tells_what_a_lower_precision_costs(contents: Contents) -> None:
    loss = PrecisionLoss(Precision.INT8, 40, 0.975, 2.5, (-6.7, 13.2), (14_000_000, 4_000_000))
    text = words(replace(contents, loss=loss))

    assert loss.outcome in text
    assert "explanations are made with the fp32 weights" in text
    assert "Precision" not in Reader(render(contents)).text


def test_the_page_loads_nothing(contents: Contents) -> None:
    reader = Reader(render(contents))

    assert not {"script", "link", "iframe"} & set(reader.tags)
    assert all(address.startswith(("data:", "#")) for address in reader.loaded)
    assert reader.tags.count("svg") == 4


def test_the_surest_mistakes_are_shown_as_the_model_saw_them(contents: Contents) -> None:
    mistakes = contents.judged.calibrated.mistakes
    page = render(replace(contents, suspects=()))
    pictures = [a for a in Reader(page).loaded if a.startswith("data:image/jpeg")]

    assert len(pictures) == len(mistakes) > 0
    first = Image.open(BytesIO(base64.b64decode(pictures[0].partition(",")[2])))
    assert first.size == (32, 24)
    assert f"photo{mistakes[0].index}.jpg" in render(contents)


def test_doubted_labels_are_shown_with_the_likelier_class(contents: Contents) -> None:
    text = words(contents)

    assert "Of 1 images to learn from" in text
    assert "wasps 93%, not ants & <bees> learned7.jpg" in text


def test_of_many_doubted_labels_the_first_are_shown(contents: Contents) -> None:
    many = [contents.suspects[0]] * (SUSPECTS + 5)

    page = Reader(render(replace(contents, suspects=many)))

    assert f"Of {SUSPECTS + 5} images to learn from" in page.text
    assert f"The first {SUSPECTS}:" in page.text


def test_a_model_without_mistakes_has_none_to_show(contents: Contents) -> None:
    calibrated = replace(contents.judged.calibrated, mistakes=())

    judged = replace(contents.judged, calibrated=calibrated)
    page = render(replace(contents, judged=judged, suspects=()))

    assert "mistakes" not in page
    assert "<img" not in page


def test_the_page_tells_what_worse_photos_do(contents: Contents) -> None:
    text = words(contents)

    found = contents.robustness
    assert "on 20 held-out images, drawn by the seed" in text
    assert "95.3% of them are right as they are" in text
    assert "gaussian noise 81.5% 61.3% 20.7%" in text
    assert f"{found.rotation_worst:.1%} are right at every angle" in text
    assert f"{found.shift_worst:.1%} at every shift" in text


def test_the_page_says_what_attacks_leave(contents: Contents) -> None:
    assert "<code>pgd@linf:1/255</code></td><td>31.4%" in render(contents)


def test_the_page_says_how_well_squeezing_finds_attacks(contents: Contents) -> None:
    text = words(contents)

    assert "answer moves by more than 1.250" in text
    assert "On 32 images that did not fit this threshold it raised false alarms on 6.2%" in text
    assert "found 71.9% of those that pgd@linf:2/255 fooled" in text
    assert "squeezing" not in render(replace(contents, squeezing=None)).lower()


def test_robustness_on_all_images_is_not_said_to_be_of_a_few(contents: Contents) -> None:
    page = render(replace(contents, robustness=replace(contents.robustness, images=IMAGES)))

    assert "Measured on 40 held-out images: 95.3%" in " ".join(Reader(page).text.split())


def test_the_same_contents_give_the_same_page(contents: Contents) -> None:
    assert render(contents) == render(contents)


def test_the_page_says_how_answers_are_explained_and_why(contents: Contents) -> None:
    text = words(contents)

    assert "gradient is the bundle's own saliency method" in text
    assert "judged on 16 held-out images" in text
    assert "layercam 0.875 0.125 0.750 25.0% 100.0% 1 gradient 0.500 0.125 0.375" in text
    assert "layercam (not passed) 0.95 0.91 gradient 0.75 0.12" in text


def test_the_page_says_where_no_method_is_to_be_trusted(contents: Contents) -> None:
    none = replace(contents.recommendation, chosen=None)
    text = words(replace(contents, recommendation=none))

    assert "No saliency method passed" in text


def test_layers_are_listed_with_their_totals(contents: Contents) -> None:
    layers = LayerTable(
        (
            Layer("image", "input", (3, 24, 32), 0, 2304),
            Layer("stem", "Conv2d", (640, 24, 32), 1_792_000, 491_520),
            Layer("stem_norm", "BatchNorm2d", (64, 24, 32), 128, 0),
            Layer("", "TinyNet", (2,), 7, 0),
        )
    )
    inside = replace(contents.inside, layers=layers)

    text = words(replace(contents, inside=inside))

    assert "tinynet: 1.8M parameters, 493.8k activations" in text
    assert "they take 7.2 MB and, for one image, 2.0 MB" in text
    assert "All 3 layers" in text
    assert (
        "stem Conv2d 640 x 24 x 32 1,792,000 491,520 stem_norm BatchNorm2d 64 x 24 x 32 128 "
        in text
    )
    assert "tinynet TinyNet 2 7 total 1,792,135 493,824" in text


def test_the_picture_of_a_class_is_shown_pixel_by_pixel(contents: Contents) -> None:
    image = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    inside = replace(contents.inside, visualisations=[Visualisation(1, image, 0.987)])

    page = Reader(render(replace(contents, inside=inside)))

    (source,) = [a for a in page.loaded if a.startswith("data:image/png")]
    found = Image.open(BytesIO(base64.b64decode(source.partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(found), image)
    assert "the first 1 of 2 classes" in page.text
    assert "wasps 99%" in " ".join(page.text.split())


def test_an_explained_answer_stands_beside_its_evidence(contents: Contents) -> None:
    heat_map = np.zeros((24, 32, 3), dtype=np.uint8)
    right = Explained(3, "wasps", Prediction("wasps", 1, 0.81), heat_map)
    wrong = Explained(4, NAMES[0], Prediction("wasps", 1, 0.52), heat_map)
    explained = Explanations("gradient", [right], [wrong])
    shown = replace(contents, suspects=(), inside=replace(contents.inside, explanations=explained))
    calibrated = replace(contents.judged.calibrated, mistakes=())

    page = Reader(render(replace(shown, judged=replace(contents.judged, calibrated=calibrated))))

    text = " ".join(page.text.split())
    assert "answered, by gradient: the lighter" in text
    assert "Right answers wasps 81% photo3.jpg" in text
    assert "Wrong answers wasps 52%, not ants & <bees> photo4.jpg" in text
    assert len([a for a in page.loaded if a.startswith("data:image/jpeg")]) == 4
