"""Corruptions, beside the package that publishes ImageNet-C's."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage import data

from service.core.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupted

Crops = npt.NDArray[np.uint8]

Corrupt = Callable[[Crops, int, str], Crops]


@pytest.fixture(scope="module")
def published() -> Corrupt:
    """From an image, a severity and a corruption's name to what the package makes of them."""
    package = pytest.importorskip(
        "imagecorruptions", reason="OpenCV lacks libGL", exc_type=ImportError
    )
    corrupt: Corrupt = package.corrupt
    return corrupt


@pytest.fixture(scope="module", params=[(32, 32), (96, 64), (224, 224)], ids=str)
def photos(request: pytest.FixtureRequest) -> Crops:
    """A photo in colour and a grey one, [2, H, W, 3]."""
    height, width = request.param
    given = [data.chelsea(), np.stack([data.camera()] * 3, axis=-1)]
    sized = [np.asarray(Image.fromarray(photo).resize((width, height))) for photo in given]
    return np.stack(sized)


@pytest.mark.system
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", sorted(set(CORRUPTIONS) - {"gaussian_noise"}))
def test_a_corruption_is_imagenet_cs(
    photos: Crops, published: Corrupt, name: str, severity: int
) -> None:
    found = corrupted(photos, name, severity, seed=0)

    expected = [published(photo, severity, name) for photo in photos]
    # Whole levels are cut off, so what rounds otherwise is off by one.
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - np.stack(expected)).max() <= 1


@pytest.mark.system
@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_is_as_strong_as_imagenet_cs(published: Corrupt, severity: int) -> None:
    grey = np.full((1, 224, 224, 3), 128, dtype=np.uint8)

    found = corrupted(grey, "gaussian_noise", severity, seed=0)

    expected = published(grey[0], severity, "gaussian_noise")
    assert found.std() == pytest.approx(expected.std(), rel=0.02)
    assert found.mean() == pytest.approx(expected.mean(), abs=1)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_severer_corruption_changes_more(photos: Crops, name: str) -> None:
    changes = [
        np.abs(corrupted(photos, name, severity, seed=0).astype(int) - photos).mean()
        for severity in SEVERITIES
    ]

    assert 0 < changes[0] < changes[1] < changes[2]


def test_one_seed_makes_one_noise(photos: Crops) -> None:
    def noisy(seed: int) -> Crops:
        return corrupted(photos, "gaussian_noise", 1, seed=seed)

    assert np.array_equal(noisy(1), noisy(1))
    assert not np.array_equal(noisy(1), noisy(2))


def test_each_image_has_noise_of_its_own() -> None:
    same = np.full((2, 32, 32, 3), 128, dtype=np.uint8)

    first, second = corrupted(same, "gaussian_noise", 1, seed=0)

    correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert abs(correlation) < 0.1


def test_an_image_is_corrupted_alike_whatever_comes_after_it(photos: Crops) -> None:
    alone = corrupted(photos[:1], "gaussian_noise", 3, seed=0)

    assert np.array_equal(alone, corrupted(photos, "gaussian_noise", 3, seed=0)[:1])
