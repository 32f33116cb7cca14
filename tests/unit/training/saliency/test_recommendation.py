"""Which method is recommended, and what that rests on."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from models.bundle import Bundle
from models.manifest import MethodName
from service.core.network import Network
from service.core.saliency.maps import Maps
from training.saliency import comparison, randomization
from training.saliency.recommendation import recommend

Replace = Callable[[MethodName, Callable[..., Maps]], None]
Crops = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@pytest.fixture
def crops() -> Crops:
    """A red patch, a green one and a blue one in noise."""
    crops = np.random.default_rng(0).integers(0, 128, (3, 32, 32, 3), dtype=np.uint8)
    crops[[0, 1, 2], 8:24, 8:24, [0, 1, 2]] += 127
    return crops


def brightness(_: Network, image: Floats, cotangents: Any) -> Maps:
    """The photo itself, whatever the network is."""
    del cotangents
    return Maps(image.max(axis=0)[np.newaxis], passes=1)


def chance(network: Network, image: Floats, cotangents: Any) -> Maps:
    """Noise, another one for each network."""
    del cotangents
    seed = zlib.crc32(network.logits(image[np.newaxis]).tobytes())
    return Maps(np.random.default_rng(seed).random((1, 32, 32), dtype=np.float32), passes=9)


def test_the_most_faithful_is_passed_over_where_it_shows_the_photo_alone(
    tiny_bundle: Bundle, crops: Crops, replace: Replace
) -> None:
    replace("gradient", brightness)
    replace("gradcam", chance)

    found = recommend(tiny_bundle, crops, ["gradcam", "gradient"], seed=0)

    assert comparison.ranked(found.compared) == ["gradient", "gradcam"]
    assert list(found.checked) == ["gradient", "gradcam"]
    assert found.checked["gradient"] == randomization.check(tiny_bundle, crops, "gradient", seed=0)
    assert found.chosen == "gradcam"
    assert found.images == 3


def test_where_all_show_the_photo_alone_none_is_recommended(
    tiny_bundle: Bundle, crops: Crops, replace: Replace
) -> None:
    replace("gradient", brightness)
    replace("gradcam", brightness)

    found = recommend(tiny_bundle, crops, ["gradient", "gradcam"], seed=0)

    assert found.chosen is None
    assert set(found.checked) == {"gradient", "gradcam"}


def test_the_scores_are_metrics(tiny_bundle: Bundle, crops: Crops) -> None:
    found = recommend(tiny_bundle, crops, ["gradient", "eigencam"], seed=0)

    (gradient,) = comparison.compare(tiny_bundle, crops, ["gradient"])
    expected = gradient.insertion.mean() - gradient.deletion.mean()
    assert found.metrics["faithfulness_gradient"] == pytest.approx(expected)
    assert set(found.metrics) == {"faithfulness_gradient", "faithfulness_eigencam"}
