"""The export gate."""

import numpy as np
import pytest

from models.errors import ExportError
from training import gate


def logits() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(0).normal(size=(2000, 5))


def test_rounding_passes() -> None:
    trained = logits()

    gate.hold((trained * (1 + 1e-7)).astype(np.float32), trained)


@pytest.mark.parametrize("factor", [1.001, np.nan])
def test_logits_that_are_off_are_refused(factor: float) -> None:
    trained = logits()

    with pytest.raises(ExportError, match="logits differ"):
        gate.hold(trained * factor, trained)


def test_other_answers_are_refused_even_where_the_logits_are_near() -> None:
    trained = np.full((2000, 2), 1.0)
    trained[:3, 1] += 1e-6
    served = np.full((2000, 2), 1.0)
    served[:3, 0] += 1e-6

    with pytest.raises(ExportError, match=r"99\.85% of 2000 images"):
        gate.hold(served, trained)
