"""From decoded images to rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax

from models.bundle import Bundle
from models.errors import RuntimeFailure
from models.manifest import Calibration, Conformal, Lac, Manifest, Raps
from models.preprocess import Crop
from service.core.plan import Plan
from service.core.ports import Arrays
from service.core.scoring.decoding import Decoded
from service.core.scoring.items import Item
from service.core.scoring.scorer import Options, Scorer

LOGITS = np.array([[2.0, 1, 0, -1], [0, 0, 3, 0], [1, 1, 1, 1], [0, 2, 0, 4]])
EMBEDDING = np.arange(12.0).reshape(4, 3)


class Fake:
    """Answers each image by the number in its first pixel."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, feeds: Arrays, /) -> Arrays:
        numbers = feeds["image"][:, 0, 0, 0]
        self.sizes.append(len(numbers))
        return {"logits": LOGITS[numbers], "embedding": EMBEDDING[numbers]}


def image(number: int) -> Decoded:
    pixels: npt.NDArray[np.uint8] = np.full((32, 32, 3), number, dtype=np.uint8)
    crop = Crop(pixels, (32, 32), (0, 0, 32, 32), "PNG")
    return Decoded(Item(f"{number}", f"in/{number}", b""), "0" * 64, crop, None, 0.0)


BAD = Decoded(Item("bad", None, b""), None, None, "EmptyImage: no bytes", 0.0)


@pytest.fixture
def scored(tiny_bundle: Bundle) -> Callable[..., list[Any]]:
    def score(*images: Decoded, runner: Any = None, **changed: Any) -> list[Any]:
        options = changed.pop("options", Options())
        manifest: Manifest = tiny_bundle.manifest.model_copy(update=changed)
        return list(Scorer(manifest, runner or Fake(), Plan(1, 1, 3), options).rows(images))

    return score


def test_a_row_has_the_most_probable_classes(scored: Callable[..., list[Any]]) -> None:
    first, second = scored(image(0), image(3), options=Options(top_k=2))

    assert (first.input, first.path, first.sha256) == ("0", "in/0", "0" * 64)
    assert (first.label, first.index, first.calibrated, first.error) == ("red", 0, False, None)
    assert first.probability == pytest.approx(softmax(LOGITS[0])[0])
    assert [each["index"] for each in second.top_k] == [3, 1]
    assert [each["probability"] for each in second.top_k] == pytest.approx(
        softmax(LOGITS[3])[[3, 1]]
    )
    assert first.embedding is None
    assert first.prediction_set is None


def test_a_bad_image_is_a_row_in_its_place(scored: Callable[..., list[Any]]) -> None:
    rows = scored(image(1), BAD, image(2), BAD, BAD, BAD)

    assert [row.input for row in rows] == ["1", "bad", "2", "bad", "bad", "bad"]
    assert [row.index for row in rows] == [2, None, 0, None, None, None]
    assert [row.error for row in rows[:2]] == [None, "EmptyImage: no bytes"]


def test_images_are_run_a_batch_at_a_time(scored: Callable[..., list[Any]]) -> None:
    runner = Fake()

    scored(*map(image, [0, 1, 2, 3, 0, 1, 2]), runner=runner)

    assert runner.sizes == [3, 3, 1]


def test_the_embedding_is_written_on_demand(scored: Callable[..., list[Any]]) -> None:
    (row,) = scored(image(2), options=Options(embedding=True))

    assert row.embedding == [6, 7, 8]


def test_a_calibrated_bundle_has_temperature_and_sets(scored: Callable[..., list[Any]]) -> None:
    thresholds = {"0.8": 0.1, "0.9": 0.6}
    rules = Conformal(
        lac=Lac(thresholds=thresholds), raps=Raps(thresholds=thresholds, penalty=0, k_reg=1)
    )

    (row,) = scored(image(0), calibration=Calibration(temperature=2.0, conformal=rules))

    probabilities = softmax(LOGITS[0] / 2)
    assert row.calibrated
    assert row.probability == pytest.approx(probabilities[0])
    # A class is in where all more probable ones together have at most 0.6.
    before = np.concatenate([[0], np.cumsum(probabilities)[:-1]])
    assert row.prediction_set == [
        name
        for name, mass in zip(("red", "green", "blue", "grey, gray"), before, strict=True)
        if mass <= 0.6
    ]


def test_a_logit_that_is_not_finite_ends_the_run(scored: Callable[..., list[Any]]) -> None:
    class Broken:
        def run(self, _: Arrays, /) -> Arrays:
            return {"logits": np.array([[np.nan, 0, 0, 0]])}

    with pytest.raises(RuntimeFailure, match="not finite"):
        scored(image(0), runner=Broken())
