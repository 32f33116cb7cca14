"""What fewer bits cost, against counts by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from models.errors import ExportError, TrainingError
from models.manifest import Precision
from training.paired import difference_interval
from training.precision_loss import PrecisionLoss, precision_loss

LABELS = np.array([0, 0, 1, 1, 2, 2, 0, 1])
BEFORE = [0, 0, 1, 1, 2, 1, 2, 1]  # six are right
AFTER = [1, 1, 1, 1, 2, 2, 1, 0]  # three are lost, one is gained, one stays wrong


def logits(answers: list[int]) -> npt.NDArray[np.float64]:
    return np.eye(3)[answers]


@pytest.fixture
def loss() -> PrecisionLoss:
    return precision_loss(
        logits(BEFORE),
        logits(AFTER),
        LABELS,
        precision=Precision.INT8,
        sizes=(8_000_000, 2_000_000),
    )


def test_it_counts_the_same_answers_and_the_accuracy_lost(loss: PrecisionLoss) -> None:
    assert loss.images == 8
    assert loss.agreement == 3 / 8
    assert loss.drop == 100 * (6 - 4) / 8


def test_its_interval_is_the_paired_one_in_points(loss: PrecisionLoss) -> None:
    expected = [100 * end for end in difference_interval(3, 1, 8)]

    assert loss.interval == pytest.approx(expected)


def test_it_names_its_numbers_for_the_manifest(loss: PrecisionLoss) -> None:
    assert loss.metrics == {
        "fp32_agreement": loss.agreement,
        "fp32_drop": loss.drop,
        "fp32_drop_low": loss.interval[0],
        "fp32_drop_high": loss.interval[1],
    }


def test_it_says_what_was_found(loss: PrecisionLoss) -> None:
    assert loss.outcome.startswith(
        "int8 answers 37.5% of 8 held-out images as fp32 does and loses 25.0 points of accuracy"
    )
    assert loss.outcome.endswith("what serves takes 2.0 MB instead of 8.0.")


def test_only_a_loss_beyond_doubt_is_refused() -> None:
    # Of 1000 images 30 are lost: the interval goes from about 2 to 4 points.
    labels = np.zeros(1000, dtype=np.int64)
    answers = [1] * 30 + [0] * 970
    loss = precision_loss(
        logits([0] * 1000), logits(answers), labels, precision=Precision.FP16, sizes=(2, 1)
    )

    loss.hold(2.5)
    with pytest.raises(ExportError, match=r"loses 3\.0 points.*--max-drop 0\.5"):
        loss.hold(0.5)


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(TrainingError, match="not finite"):
        precision_loss(
            logits(BEFORE),
            logits(AFTER) * np.nan,
            LABELS,
            precision=Precision.FP16,
            sizes=(2, 1),
        )
