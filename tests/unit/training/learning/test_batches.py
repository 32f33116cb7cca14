"""The images of an epoch: each in its turn, and shared between processes."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from training.learning.augmentation import augmentation
from training.learning.batches import Augmented, Examples, order, passes, steps
from training.learning.processes import Processes
from training.recipe import Balance, Recipe

IMAGES = 23
CPU = torch.device("cpu")


def examples() -> Examples:
    """Each image is as bright as its row."""
    rows = np.arange(IMAGES)
    crops = np.broadcast_to(rows[:, None, None, None], (IMAGES, 8, 8, 3)).astype(np.uint8)
    return Examples(crops, rows % 3)


def plain(epoch: int = 1) -> Augmented:
    return Augmented(examples(), augmentation(["none"], (8, 8)), 0, epoch)


def rows_of(image: torch.Tensor) -> list[int]:
    """The rows that the images of a pass come from."""
    return [round(value) for value in (image[:, 0, 0, 0] * 255).tolist()]


def test_every_image_is_seen_once_with_its_label() -> None:
    recipe, alone = Recipe(batch=5), Processes(0, 1, CPU)

    found = list(passes(plain(), np.arange(IMAGES)[::-1].copy(), recipe, alone))

    assert [rows_of(each.image) for each in found] == [
        [22, 21, 20, 19, 18], [17, 16, 15, 14, 13], [12, 11, 10, 9, 8], [7, 6, 5, 4, 3], [2, 1, 0],
    ]  # fmt: skip
    assert [each.whole for each in found] == [5, 5, 5, 5, 3]
    assert all(each.last for each in found)
    assert all(each.label.tolist() == [r % 3 for r in rows_of(each.image)] for each in found)
    assert len(found) == steps(IMAGES, recipe, alone)


def test_processes_share_each_step_evenly() -> None:
    recipe, rows = Recipe(batch=2, accumulate=3), np.arange(IMAGES)

    shares = [list(passes(plain(), rows, recipe, Processes(rank, 2, CPU))) for rank in range(2)]

    seen = [[row for each in share for row in rows_of(each.image)] for share in shares]
    assert sorted(seen[0] + seen[1]) == list(range(22)), "one is left over"
    for share in shares:
        assert [each.whole for each in share] == [12, 12, 12, 10, 10, 10]
        assert [each.last for each in share] == [False, False, True] * 2
    assert steps(IMAGES, recipe, Processes(0, 2, CPU)) == 2


def test_what_is_done_to_an_image_depends_on_seed_epoch_and_row() -> None:
    crops = np.random.default_rng(0).integers(256, size=(4, 16, 16, 3), dtype=np.uint8)
    labelled = Examples(np.repeat(crops[:1], 4, axis=0), np.zeros(4, dtype=np.int64))
    noise = augmentation(["noise"], (16, 16))

    def image(seed: int, epoch: int, row: int) -> npt.NDArray[np.float32]:
        return np.asarray(Augmented(labelled, noise, seed, epoch)[row][0])

    torch.manual_seed(99)
    first = image(0, 1, 2)
    torch.manual_seed(5)
    np.testing.assert_array_equal(image(0, 1, 2), first)
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert (image(*other) != first).any()


def test_images_are_told_in_shares_of_white() -> None:
    image, label = plain()[22]

    assert image.shape == (3, 8, 8)
    assert image.unique().tolist() == pytest.approx([22 / 255])
    assert label.item() == 22 % 3


def test_each_epoch_has_an_order_of_its_own() -> None:
    labels = np.zeros(50, dtype=np.int64)

    orders = [order(labels, Balance.NONE, seed=s, epoch=e) for s, e in ((0, 1), (0, 2), (1, 1))]

    assert all(sorted(each.tolist()) == list(range(50)) for each in orders)
    assert len({each.tobytes() for each in orders}) == 3
    np.testing.assert_array_equal(order(labels, Balance.NONE, seed=0, epoch=1), orders[0])


def test_balanced_sampling_draws_each_class_as_often() -> None:
    labels = np.repeat([0, 1, 2], [2000, 900, 100])

    drawn = labels[order(labels, Balance.SAMPLING, seed=0, epoch=1)]

    assert len(drawn) == 3000
    np.testing.assert_allclose(np.bincount(drawn), 1000, atol=100)
