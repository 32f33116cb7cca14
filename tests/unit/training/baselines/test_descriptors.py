"""What images could be told apart by before deep networks."""

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from PIL import Image

from training.baselines import whole_image, words

SIDE = 96


def crop(name: str) -> npt.NDArray[np.uint8]:
    photo = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
    return np.asarray(photo.resize((SIDE, SIDE)))


def test_a_colour_histogram_counts_colours_wherever_they_are() -> None:
    photo = crop("coffee")
    shuffled = np.random.default_rng(0).permutation(photo.reshape(-1, 3)).reshape(photo.shape)

    histogram = whole_image.colour_histogram(photo)

    expected, _ = np.histogramdd(photo.reshape(-1, 3), bins=[np.linspace(0, 256, 7)] * 3)
    np.testing.assert_allclose(histogram**2, expected.ravel() / SIDE**2)
    np.testing.assert_array_equal(histogram, whole_image.colour_histogram(shuffled))


def test_gradients_know_directions() -> None:
    stripes = np.tile((np.arange(SIDE) // 8 % 2 * 255).astype(np.uint8), (SIDE, 1))
    across = np.repeat(stripes[:, :, np.newaxis], 3, axis=2)

    upright, lying = (
        whole_image.oriented_gradients(image)
        for image in (across, across.transpose(1, 0, 2).copy())
    )

    assert upright @ lying < 0.1 * np.linalg.norm(upright) * np.linalg.norm(lying)


def test_patterns_know_textures_whatever_their_brightness() -> None:
    grass, brick = (crop(name) for name in ("grass", "brick"))

    of_grass, of_darker_grass, of_brick = (
        whole_image.binary_patterns(image) for image in (grass, grass // 2, brick)
    )

    assert np.linalg.norm(of_grass - of_darker_grass) < np.linalg.norm(of_grass - of_brick)
    np.testing.assert_allclose((of_grass**2).sum(), whole_image.GRID**2)


def test_words_are_counted_by_part() -> None:
    photos = [crop(name) for name in ("astronaut", "coffee", "cat")]
    found = [words.keypoints(photo) for photo in photos]
    vocabulary = words.vocabulary(found, seed=0)

    histogram = words.pyramid(found[0], vocabulary) ** 2

    whole, *parts = np.split(histogram, 5)
    assert whole.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.sum(parts, axis=0), whole)
    top = found[0].places[:, 0] < 0.5
    assert (parts[0] + parts[1]).sum() == pytest.approx(top.mean())


def test_an_image_without_corners_has_no_words() -> None:
    vocabulary = words.vocabulary([words.keypoints(crop("astronaut"))], seed=0)

    found = words.keypoints(np.full((SIDE, SIDE, 3), 128, dtype=np.uint8))

    assert found.descriptors.shape == (0, 128)
    assert not words.pyramid(found, vocabulary).any()


def test_where_no_image_has_corners_none_has_words() -> None:
    found = words.keypoints(np.full((SIDE, SIDE, 3), 128, dtype=np.uint8))

    assert not words.pyramid(found, words.vocabulary([found], seed=0)).any()
