"""Squeezers beside scipy's and plain loops, and how far they move answers."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import softmax
from skimage import data

from service.core.network import Floats
from service.core.robustness import squeezers


@pytest.fixture(scope="module")
def photo() -> Floats:
    """A photo in colour, with noise as a perturbation is: [1, 3, 60, 80]."""
    noise = np.random.default_rng(0).integers(-2, 3, (60, 80, 3))
    pixels = np.clip(data.chelsea()[100:160, 100:180] + noise, 0, 255) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)


def test_bit_depth_leaves_32_evenly_spaced_levels(photo: Floats) -> None:
    found = squeezers.bit_depth(photo)

    nearest = np.abs(photo[..., np.newaxis] - np.linspace(0, 1, 32)).argmin(axis=-1)
    np.testing.assert_allclose(found, np.linspace(0, 1, 32)[nearest], atol=1e-6)


def test_the_median_is_scipys(photo: Floats) -> None:
    expected = ndimage.median_filter(photo, size=(1, 1, 2, 2), mode="reflect")

    np.testing.assert_array_equal(squeezers.median(photo), expected)


def test_non_local_means_are_a_plain_loops(photo: Floats) -> None:
    image = photo[:, :, 20:40, 30:54].astype(np.float64)
    padded = np.pad(image[0], ((0, 0), (6, 6), (6, 6)), mode="reflect")
    expected = np.zeros_like(image[0])
    for row, column in np.ndindex(20, 24):
        window = padded[:, row : row + 13, column : column + 13]
        patches = np.lib.stride_tricks.sliding_window_view(window, (3, 3), axis=(1, 2))
        unlike = ((patches - patches[:, 5:6, 5:6]) ** 2).mean(axis=(0, 3, 4))
        weights = np.exp(-unlike / (4 / 255) ** 2)
        expected[:, row, column] = (weights * patches[..., 1, 1]).sum(axis=(1, 2)) / weights.sum()

    found = squeezers.non_local_means(image.astype(np.float32))[0]

    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - image[0]).max() > 2 / 255


def test_images_are_squeezed_alike_whatever_stands_beside_them(photo: Floats) -> None:
    pair = np.concatenate([photo, 1 - photo])

    for squeeze in squeezers.SQUEEZERS.values():
        np.testing.assert_allclose(squeeze(pair)[:1], squeeze(photo), atol=1e-6)


def test_disagreement_is_the_l1_distance_of_the_probabilities(digits: Any) -> None:
    images = digits.images[:20]

    found = squeezers.disagreement(digits.network, images)

    for name, squeeze in squeezers.SQUEEZERS.items():
        before, after = (
            softmax(digits.network.logits(each).astype(np.float64), axis=1)
            for each in (images, squeeze(images))
        )
        np.testing.assert_allclose(found[name], np.abs(after - before).sum(axis=1), atol=1e-5)
