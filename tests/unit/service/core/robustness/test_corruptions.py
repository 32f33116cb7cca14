"""Corruptions, beside the package that publishes ImageNet-C's."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage import data

from service.core.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupted

Crops = npt.NDArray[np.uint8]

Corrupt = Callable[[Crops, int, str, np.random.Generator], Crops]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Corrupt:
    """The package's corruptions, with the random numbers of a generator."""
    package = pytest.importorskip(
        "imagecorruptions.corruptions", reason="OpenCV lacks libGL", exc_type=ImportError
    )

    def corrupt(image: Crops, severity: int, name: str, generator: np.random.Generator) -> Crops:
        for draw in ("normal", "poisson", "uniform"):
            monkeypatch.setattr(np.random, draw, getattr(generator, draw))
        options = {"seed": generator} if name == "impulse_noise" else {}
        found = getattr(package, name)(Image.fromarray(image), severity, **options)
        return np.asarray(found).astype(np.uint8)

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
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_imagenet_cs(
    photos: Crops, published: Corrupt, name: str, severity: int
) -> None:
    found = corrupted(photos, name, severity, seed=0)

    expected = [
        published(photo, severity, name, np.random.default_rng([0, row]))
        for row, photo in enumerate(photos)
    ]
    # Whole levels are cut off, so what rounds otherwise is off by one.
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - np.stack(expected)).max() <= 1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_severer_corruption_changes_more(photos: Crops, name: str) -> None:
    changes = [
        np.abs(corrupted(photos, name, severity, seed=0).astype(int) - photos).mean()
        for severity in SEVERITIES
    ]

    assert changes[0] > 0
    assert changes[0] < changes[2] < changes[4]


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
