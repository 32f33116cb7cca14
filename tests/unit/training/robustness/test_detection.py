"""How well squeezing finds attacked images, on the tiny model, whose attacks are known."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax

from models.bundle import Bundle
from models.golden import to_float
from service.core.network import Network
from service.core.robustness import squeezers
from training.network import network_of
from training.robustness.detection import detection


@dataclass(frozen=True, eq=False)
class Photos:
    crops: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def network(tiny_bundle: Bundle) -> Network:
    return network_of(tiny_bundle)


@pytest.fixture(scope="module")
def photos(network: Network) -> Photos:
    """Reddish and greenish noise, some so near to the other that two levels decide."""
    generator = np.random.default_rng(0)
    crops = generator.integers(90, 110, (40, 32, 32, 3), dtype=np.uint8)
    crops[..., 2] = 20
    crops[..., 0] += np.arange(40, dtype=np.uint8)[:, None, None] // 4
    return Photos(crops, network.logits(to_float(crops)).argmax(axis=1))


def scores(network: Network, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    images = to_float(crops)
    before = softmax(network.logits(images).astype(np.float64), axis=1)
    moved = [
        np.abs(softmax(network.logits(squeeze(images)).astype(np.float64), axis=1) - before)
        for squeeze in squeezers.SQUEEZERS.values()
    ]
    return np.asarray(np.stack(moved).sum(axis=2).max(axis=0))


def test_one_half_fits_the_threshold_and_the_other_judges_it(
    network: Network, photos: Photos
) -> None:
    found = detection(network, photos.crops, photos.labels, seed=0)

    assert found is not None
    fitted = np.sort(scores(network, photos.crops[::2]))
    # Of 20 images the largest is above 5%: none may be suspect but it.
    assert fitted[-2] - 1e-5 <= found.threshold <= fitted[-1] + 1e-5
    judged = scores(network, photos.crops[1::2]) > found.threshold
    assert found.images == 20
    assert found.false_alarms == pytest.approx(judged.mean(), abs=1 / 20)
    assert found.detection_rate is not None
    assert 0 <= found.detection_rate <= 1


def test_what_fools_nothing_has_no_detection_rate(network: Network, photos: Photos) -> None:
    sure = photos.crops.copy()
    sure[..., 0] = 200

    found = detection(network, sure, np.zeros(40, dtype=np.int64), seed=0)

    assert found is not None
    assert found.detection_rate is None


def test_images_that_are_wrong_already_do_not_count_as_attacked(
    network: Network, photos: Photos
) -> None:
    wrong = np.full(40, 3, dtype=np.int64)

    found = detection(network, photos.crops, wrong, seed=0)

    assert found is not None
    assert found.detection_rate is None


def test_one_image_is_too_few(network: Network, photos: Photos) -> None:
    assert detection(network, photos.crops[:1], photos.labels[:1], seed=0) is None
