"""Which images stand for all."""

import numpy as np

from training.subsample import IMAGES, subsample


def test_few_images_are_all_taken_in_order() -> None:
    assert subsample(IMAGES, seed=3).tolist() == list(range(IMAGES))


def test_of_many_as_many_as_stated_are_drawn_none_twice() -> None:
    rows = subsample(1000, seed=3)

    assert len(rows) == IMAGES
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows[0] <= rows[-1] < 1000


def test_the_seed_chooses_the_images() -> None:
    assert subsample(1000, seed=3).tolist() == subsample(1000, seed=3).tolist()
    assert subsample(1000, seed=3).tolist() != subsample(1000, seed=4).tolist()


def test_every_image_is_drawn_as_often_as_the_others() -> None:
    drawn = np.concatenate([subsample(2 * IMAGES, seed=seed) for seed in range(400)])
    counts = np.bincount(drawn, minlength=2 * IMAGES)

    # Binomial, 400 draws of 1/2: a standard deviation of 10.
    assert counts.min() > 200 - 50
    assert counts.max() < 200 + 50
