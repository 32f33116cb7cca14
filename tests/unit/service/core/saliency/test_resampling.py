"""Oracles: PyTorch's bilinear interpolation, and SciPy's Gaussian away from the edges."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from service.core.saliency.resampling import blur, enlarge, enlarge_and_blur


@pytest.mark.parametrize(
    ("grid", "size"), [((7, 7), (224, 224)), ((3, 5), (17, 31)), ((1, 1), (4, 4))]
)
def test_maps_are_enlarged_as_pytorch_does(grid: tuple[int, int], size: tuple[int, int]) -> None:
    maps = np.random.default_rng(6).random((2, *grid))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[:, None], size, mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(enlarge(maps, size), expected[:, 0].numpy(), rtol=1e-5)


def test_blurring_is_scipys_gaussian_where_no_edge_is_near() -> None:
    image = np.random.default_rng(7).random((3, 60, 80))
    expected = gaussian_filter(image, (0, 2, 2), truncate=8)
    inside = np.s_[:, 20:-20, 20:-20]
    np.testing.assert_allclose(blur(image, 2)[inside], expected[inside], rtol=1e-5)


def test_enlarging_and_blurring_at_once_is_scipys_gaussian_of_pytorchs_map() -> None:
    coarse = np.random.default_rng(8).random((5, 6))
    large = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None], (60, 80), mode="bilinear", align_corners=False
    )
    expected = gaussian_filter(large[0, 0].numpy(), 2, truncate=8)
    inside = np.s_[20:-20, 20:-20]
    found = enlarge_and_blur(coarse, (60, 80), 2)
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-5)


def test_blurring_leaves_an_even_image_as_it_is() -> None:
    np.testing.assert_allclose(blur(np.full((3, 20, 30), 0.3), 4), 0.3, rtol=1e-6)
