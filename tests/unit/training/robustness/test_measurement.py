"""How many answers stay right, by models whose answers can be told in advance."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.core.robustness.corruptions import CORRUPTIONS
from service.core.robustness.geometry import ANGLES, SHIFTS, Axis
from training.robustness.measurement import SEVERITIES, Robustness, Sensitivity, measure

SIDE = 40
MIDDLE = SIDE // 2

Crops = npt.NDArray[np.uint8]
Arrays = Mapping[str, npt.NDArray[Any]]


class Side:
    """Says on which side of the middle an image is lighter: 0 left, 1 right."""

    def run(self, feeds: Arrays) -> Arrays:
        columns = feeds["image"].mean(axis=(1, 3))
        halves = [columns[:, :MIDDLE].mean(axis=1), columns[:, MIDDLE:].mean(axis=1)]
        return {"logits": np.stack(halves, axis=1)}


class Level:
    """Says 1 where an image is lighter than `level` on average, else 0."""

    def __init__(self, level: float) -> None:
        self.level = level

    def run(self, feeds: Arrays) -> Arrays:
        lighter = feeds["image"].mean(axis=(1, 2, 3)) - self.level
        return {"logits": np.stack([-lighter, lighter], axis=1)}


def striped(*columns: int) -> Crops:
    """Black images [N, 40, 40, 3], each with one white column."""
    images = np.zeros((len(columns), SIDE, SIDE, 3), dtype=np.uint8)
    for image, column in zip(images, columns, strict=True):
        image[:, column] = 255
    return images


def flat(level: int) -> Crops:
    return np.full((1, SIDE, SIDE, 3), level, dtype=np.uint8)


def test_shifts_are_counted_by_whether_they_carry_over_the_middle() -> None:
    # Two columns are a step of the horizontal shifts: -4, -2, 0, 2, 4.
    columns = [MIDDLE - 8, MIDDLE - 3, MIDDLE - 1, MIDDLE + 1]
    labels = np.array([0, 0, 0, 1])

    found = measure(Side(), striped(*columns), labels, seed=0)

    right = found.shifts[Axis.HORIZONTAL].right
    assert right[:, 0].tolist() == [True, True, True, True, True]
    assert right[:, 1].tolist() == [True, True, True, True, False]
    assert right[:, 2].tolist() == [True, True, True, False, False]
    assert right[:, 3].tolist() == [False, False, True, True, True]
    assert found.shifts[Axis.HORIZONTAL].accuracy == [0.75, 0.75, 1, 0.75, 0.5]
    assert found.shifts[Axis.VERTICAL].accuracy == [1, 1, 1, 1, 1]
    assert found.shift_worst == 0.25


def test_the_worst_shift_may_lie_along_either_axis() -> None:
    turned = striped(MIDDLE - 1).swapaxes(1, 2)
    crops = np.concatenate([striped(MIDDLE - 8), turned])

    class BothSides(Side):
        def run(self, feeds: Arrays) -> Arrays:
            upright = super().run(feeds)["logits"]
            lying = super().run({"image": feeds["image"].swapaxes(1, 2)})["logits"]
            return {"logits": upright + lying}

    found = measure(BothSides(), crops, np.array([0, 0]), seed=0)

    assert found.clean == 1
    assert found.shift_worst == 0.5


def test_what_looks_the_same_at_every_angle_is_right_at_every_angle() -> None:
    crops = np.concatenate([flat(40), flat(200)])

    found = measure(Level(120), crops, np.array([0, 0]), seed=0)

    assert found.clean == 0.5
    assert found.rotation.accuracy == [0.5] * len(ANGLES)
    assert found.rotation_worst == found.shift_worst == 0.5


def test_the_worst_angle_may_be_another_for_each_image() -> None:
    right = np.array([[True, False, True], [True, True, True], [False, True, True]])
    nothing = Sensitivity((0,), np.ones((1, 3), dtype=np.bool_))

    found = Robustness(3, 1.0, {}, Sensitivity((-10, 0, 10), right), {Axis.VERTICAL: nothing})

    assert found.rotation.accuracy == pytest.approx([2 / 3, 1, 2 / 3])
    assert found.rotation_worst == pytest.approx(1 / 3)


def test_brightness_makes_a_dark_image_light() -> None:
    # ImageNet-C adds 0.1, 0.3 and 0.5 of the range: 25.5, 76.5 and 127.5 to grey 100.
    found = measure(Level(150), flat(100), np.array([0]), seed=0)

    assert found.clean == 1
    assert found.corruptions["brightness"] == {1: 1, 3: 0, 5: 0}
    assert found.corruptions["contrast"] == {1: 1, 3: 1, 5: 1}


def test_every_number_has_a_name() -> None:
    crops = striped(MIDDLE - 3, MIDDLE + 8)

    metrics = measure(Side(), crops, np.array([0, 1]), seed=0).metrics

    corruptions = {f"corruption_{n}_{severity}" for n in CORRUPTIONS for severity in SEVERITIES}
    assert corruptions <= set(metrics)
    assert metrics["robustness_images"] == 2
    assert metrics["robustness_clean"] == 1
    assert metrics["shift_horizontal_0.05"] == 1
    assert metrics["shift_horizontal_0.1"] == 0.5
    assert metrics["shift_vertical_-0.1"] == 1
    assert metrics["shift_worst"] == 0.5
    assert {"rotation_-30", "rotation_30", "rotation_worst"} <= set(metrics)
    amounts = len(ANGLES) - 1 + 2 * (len(SHIFTS) - 1)
    assert len(metrics) == 2 + len(corruptions) + amounts + 2
    assert all(0 <= share <= 1 for name, share in metrics.items() if name != "robustness_images")


def test_one_seed_gives_one_outcome() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (30, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.arange(30) % 2

    first, again = (measure(Side(), crops, labels, seed=5).metrics for _ in range(2))

    assert first == again
