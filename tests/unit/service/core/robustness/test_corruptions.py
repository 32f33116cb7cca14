"""Corruptions, beside the package that publishes ImageNet-C's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates
from skimage import data

from service.core.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupted

Crops = npt.NDArray[np.uint8]

Corrupt = Callable[[Crops, int, str, np.random.Generator], Crops]


def interpreted(compiled: Any) -> Any:
    """A function of numba's in Python; itself where it is that already."""
    return getattr(compiled, "py_func", compiled)


def stretched(image: Crops, severity: int) -> Crops:
    """ImageNet-C's stretching by OpenCV and scipy; the package has another.

    As in its authors' repository, hendrycks/robustness, make_imagenet_c.py.
    """
    import cv2  # noqa: PLC0415  # it needs libGL, and the fixture skips where that is missing

    share, deviation, most = [
        (488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88),
        (29.28, 2.44, 4.88),
    ][severity - 1]  # fmt: skip
    pixels, size = image.astype(np.float32) / 255, image.shape[:2]
    centre, reach = np.array(size, dtype=np.float32) // 2, min(size) // 3
    before = np.array(
        [centre + reach, [centre[0] + reach, centre[1] - reach], centre - reach], dtype=np.float32
    )
    after = before + np.random.uniform(-most, most, size=before.shape).astype(np.float32)  # noqa: NPY002
    matrix = cv2.getAffineTransform(before, after)
    sheared = cv2.warpAffine(pixels, matrix, size[::-1], borderMode=cv2.BORDER_REFLECT_101)
    across, down = (
        share
        * gaussian_filter(np.random.uniform(-1, 1, size), deviation, mode="reflect", truncate=3)  # noqa: NPY002
        for _ in range(2)
    )
    rows, columns = np.mgrid[: size[0], : size[1]]
    places = [rows + down, columns + across]
    channels = [
        map_coordinates(channel, places, order=1, mode="reflect")
        for channel in np.moveaxis(sheared, -1, 0)
    ]
    return np.asarray(np.clip(np.stack(channels, axis=-1), 0, 1) * 255, dtype=np.uint8)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Corrupt:
    """The package's corruptions, with the random numbers of a generator."""
    package = pytest.importorskip(
        "imagecorruptions.corruptions", reason="OpenCV lacks libGL", exc_type=ImportError
    )

    def corrupt(image: Crops, severity: int, name: str, generator: np.random.Generator) -> Crops:
        for draw in ("normal", "poisson", "uniform"):
            monkeypatch.setattr(np.random, draw, getattr(generator, draw))
        if name == "elastic_transform":
            return stretched(image, severity)
        if name == "glass_blur":  # compiled, it would draw from a state of its own
            shuffle = "_shuffle_pixels_njit_glass_blur"
            monkeypatch.setattr(package, shuffle, interpreted(getattr(package, shuffle)))
            monkeypatch.setattr(np.random, "randint", generator.integers)
            monkeypatch.setattr(np.random, "seed", lambda _: None)
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
    assert found.dtype == np.uint8
    apart = np.abs(found.astype(int) - np.stack(expected))
    if name == "elastic_transform":  # OpenCV looks at places in steps of 1/32 of a pixel
        assert apart.mean() <= 1
        assert np.quantile(apart, 0.99) <= 255 / 32
    else:  # whole levels are cut off, so what rounds otherwise is off by one
        assert apart.max() <= 1


@pytest.mark.parametrize("name", sorted({*CORRUPTIONS} - {"elastic_transform"}))
def test_the_mildest_corruption_changes_least(photos: Crops, name: str) -> None:
    changes = [
        np.abs(corrupted(photos, name, severity, seed=0).astype(int) - photos).mean()
        for severity in SEVERITIES
    ]

    assert 0 < changes[0] < min(changes[2], changes[4])


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
