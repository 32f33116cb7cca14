"""Which answers are explained, and that the heat lies where a closed form has it."""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from models.bundle import Bundle
from service.core.heatmap import draw
from training.learning.batches import Examples
from training.report.explanations import explanations

RED, GREEN = 0, 1
IMAGES = 20
WRONG = 5
"""The first so many are labelled wrongly."""

Logits = npt.NDArray[np.floating]


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Black images with a red patch or a green one, in turn."""
    crops = np.zeros((IMAGES, 32, 32, 3), dtype=np.uint8)
    colours = np.arange(IMAGES) % 2
    for row, colour in enumerate(colours):
        crops[row, 8:24, 16:32, colour] = 255
    labels = np.where(np.arange(IMAGES) < WRONG, 1 - colours, colours)
    return Examples(crops, labels)


@pytest.fixture(scope="module")
def logits(examples: Examples, tiny_model: Any) -> Logits:
    found: Logits = tiny_model.logits(examples.crops)
    return found


def test_right_and_wrong_answers_are_told_apart(
    tiny_bundle: Bundle, examples: Examples, logits: Logits
) -> None:
    found = explanations(
        tiny_bundle, "gradcam", examples, logits, temperature=1, shown=IMAGES, seed=0
    )

    assert found.method == "gradcam"
    assert {each.row for each in found.wrong} == set(range(WRONG))
    assert {each.row for each in found.right} == set(range(WRONG, IMAGES))
    for each in found.wrong + found.right:
        assert each.answer.label == ("red", "green")[each.row % 2]
        assert each.label == tiny_bundle.manifest.labels[examples.labels[each.row]]


def test_of_many_answers_a_seeded_sample_is_explained(
    tiny_bundle: Bundle, examples: Examples, logits: Logits
) -> None:
    def rows(seed: int) -> list[int]:
        found = explanations(
            tiny_bundle, "gradcam", examples, logits, temperature=1, shown=4, seed=seed
        )
        assert (len(found.right), len(found.wrong)) == (4, 4)
        return [each.row for each in found.right]

    assert rows(0) == rows(0)
    assert rows(0) != rows(1)


def test_the_probability_is_that_at_the_temperature(
    tiny_bundle: Bundle, examples: Examples, logits: Logits
) -> None:
    found = explanations(tiny_bundle, "gradcam", examples, logits, temperature=0.5, shown=1, seed=0)

    (each,) = found.wrong
    expected = torch.from_numpy(logits[each.row] / 0.5).softmax(0).max()
    assert each.answer.probability == pytest.approx(expected.item())


def test_the_heat_is_the_maps_of_the_class_that_was_answered(
    tiny_bundle: Bundle, tiny_model: Any, examples: Examples, logits: Logits
) -> None:
    found = explanations(tiny_bundle, "gradcam", examples, logits, temperature=1, shown=1, seed=0)

    (each,) = found.wrong
    crop, answered = examples.crops[each.row], np.eye(4)[[each.answer.index]]
    activations = tiny_model.activations(crop[None])[0]
    gradients = tiny_model.activation_gradients(crop[None], answered)[0]
    coarse = np.maximum(np.einsum("chw,c->hw", activations, gradients.mean(axis=(1, 2))), 0)
    grid = torch.from_numpy(coarse)[None, None]
    expected = torch.nn.functional.interpolate(grid, (32, 32), mode="bilinear")[0, 0].numpy()
    drawn = np.asarray(Image.open(BytesIO(draw(crop, expected, (0, 0, 32, 32)))), np.int16)
    assert np.abs(each.heat_map - drawn).max() <= 2
    assert each.heat_map[16, 24].sum() > each.heat_map[16, 4].sum() + 100


def test_a_model_that_is_never_wrong_has_no_wrong_answers(
    tiny_bundle: Bundle, examples: Examples, logits: Logits
) -> None:
    right = examples.of(np.arange(WRONG, IMAGES))

    found = explanations(
        tiny_bundle, "gradcam", right, logits[WRONG:], temperature=1, shown=3, seed=0
    )

    assert len(found.right) == 3
    assert found.wrong == []
