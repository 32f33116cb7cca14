from typing import Any

import numpy as np
import pytest

from models.bundle import Bundle
from models.golden import to_float
from service.core.saliency.quality import measure
from service.core.targets import Question, Target
from training.network import network_of
from training.saliency.comparison import Faithfulness, compare, ranked


def found(method: Any, scores: list[float], passes: int) -> Faithfulness:
    nothing = np.zeros(len(scores))
    return Faithfulness(method, np.array(scores), nothing, nothing, nothing, passes)


def test_every_photo_is_measured_for_its_top_class(tiny_bundle: Bundle, tiny_model: Any) -> None:
    crops = np.random.default_rng(0).integers(0, 128, (3, 32, 32, 3), dtype=np.uint8)
    crops[[0, 1, 2], ..., [0, 1, 2]] += 127  # a red one, a green one and a blue one
    (figures,) = compare(tiny_bundle, crops, ["gradient"])
    network = network_of(tiny_bundle)
    for row, top in enumerate(tiny_model.logits(crops).argmax(axis=1)):
        cotangent = np.eye(4)[[top]]
        slopes = tiny_model.input_gradient(crops[row : row + 1], cotangent, np.zeros(1))
        saliency = np.abs(slopes[0]).max(axis=0).astype(np.float32)
        question = Question(Target(int(top), ""))
        expected = measure(network, to_float(crops[row : row + 1])[0], saliency, question)
        assert figures.insertion[row] == pytest.approx(expected.insertion, abs=1e-3)
        assert figures.deletion[row] == pytest.approx(expected.deletion, abs=1e-3)
        assert figures.drop[row] == pytest.approx(expected.drop, abs=1e-3)
    assert figures.passes == 1


def test_a_map_that_is_zero_everywhere_is_worth_nothing(tiny_bundle: Bundle) -> None:
    black = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    (figures,) = compare(tiny_bundle, black, ["gradcam"])
    assert figures.score.tolist() == [0, 0]
    assert figures.drop.tolist() == [1, 1]


def test_the_best_comes_first_where_it_is_clearly_better() -> None:
    good = found("smoothgrad", [0.8, 0.9, 0.85], 32)
    poor = found("gradient", [0.2, 0.3, 0.25], 1)
    assert ranked([poor, good]) == ["smoothgrad", "gradient"]


def test_of_equals_the_cheaper_comes_first() -> None:
    dear = found("smoothgrad", [0.8, 0.2, 0.52], 32)
    cheap = found("gradcam", [0.2, 0.8, 0.5], 1)
    assert ranked([dear, cheap]) == ["gradcam", "smoothgrad"]
