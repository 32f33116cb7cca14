"""The report: what it tells, and that it needs nothing else."""

import base64
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from models.manifest import Calibration, Conformal, Lac, Precision, Raps
from training.forest import Forest
from training.judgement import judge
from training.label_errors import Suspect
from training.precision_loss import PrecisionLoss
from training.probe import Classifier, LinearHead, Probe
from training.report.page import SUSPECTS, Contents, Shown, render

NAMES = ("ants & <bees>", "wasps")
IMAGES = 40


def shown(name: str, generator: np.random.Generator) -> Shown:
    crops = generator.integers(0, 256, (IMAGES, 24, 32, 3), dtype=np.uint8)
    return Shown([f"{name}{number}.jpg" for number in range(IMAGES)], crops)


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
    )
    head = LinearHead(np.zeros((2, 3)), np.zeros(2))
    probes = [Probe(Classifier.SVM, 0.001, head, logits, loss, 0.9) for loss in (0.31, 0.47)]
    return Contents(
        title="insects version 3",
        command="seewhy train insects",
        names=NAMES,
        findings=("30 images to learn from", "left out: a<b.jpg"),
        probes=probes,
        forest=Forest(200, loss=0.612, accuracy=0.85),
        tuning=None,
        temperature=calibration.temperature,
        loss=None,
        judged=judge(logits, labels, NAMES, calibration),
        suspects=[Suspect(index=7, label=0, likelier=1, probability=0.93)],
        test=shown("photo", generator),
        learning=shown("learned", generator),
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


def test_the_page_tells_what_was_found(contents: Contents) -> None:
    text = " ".join(Reader(render(contents)).text.split())

    found = contents.judged.calibrated
    assert f"Of 40 held-out images {found.top1:.1%} are right" in text
    assert "seewhy train insects" in text
    assert "left out: a<b.jpg" in text
    assert "ants & <bees>" in text
    assert "Temperature 1.37" in text
    assert f"RAPS 90% {contents.judged.sets[1].reached:.1%}" in text
    assert "svm (best) 0.001 0.310 90.0%" in text


def test_the_page_tells_what_a_lower_precision_costs(contents: Contents) -> None:
    loss = PrecisionLoss(Precision.INT8, 40, 0.975, 2.5, (-6.7, 13.2), (14_000_000, 4_000_000))
    text = " ".join(Reader(render(replace(contents, loss=loss))).text.split())

    assert loss.outcome in text
    assert "explanations are made with the fp32 weights" in text
    assert "Precision" not in Reader(render(contents)).text


def test_the_page_loads_nothing(contents: Contents) -> None:
    reader = Reader(render(contents))

    assert not {"script", "link", "iframe"} & set(reader.tags)
    assert all(address.startswith(("data:", "#")) for address in reader.loaded)
    assert reader.tags.count("svg") == 2


def test_the_surest_mistakes_are_shown_as_the_model_saw_them(contents: Contents) -> None:
    mistakes = contents.judged.calibrated.mistakes
    page = render(replace(contents, suspects=()))
    pictures = [a for a in Reader(page).loaded if a.startswith("data:image/jpeg")]

    assert len(pictures) == len(mistakes) > 0
    first = Image.open(BytesIO(base64.b64decode(pictures[0].partition(",")[2])))
    assert first.size == (32, 24)
    assert f"photo{mistakes[0].index}.jpg" in render(contents)


def test_doubted_labels_are_shown_with_the_likelier_class(contents: Contents) -> None:
    text = " ".join(Reader(render(contents)).text.split())

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


def test_the_same_contents_give_the_same_page(contents: Contents) -> None:
    assert render(contents) == render(contents)
