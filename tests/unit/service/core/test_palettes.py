from typing import get_args

import numpy as np
import pytest
from skimage.color import rgb2lab

from service.core.palettes import PaletteName, colours


@pytest.mark.parametrize("name", get_args(PaletteName))
def test_colours_grow_lighter_evenly(name: PaletteName) -> None:
    lightness = rgb2lab(colours(name)[np.newaxis] / 255)[0, :, 0]
    steps = np.diff(lightness.reshape(16, 16).mean(axis=1))
    assert lightness[0] < 5
    assert lightness[-1] > 90
    assert steps.min() > 0.5 * steps.mean()
    assert steps.max() < 1.5 * steps.mean()


def test_palettes_differ_in_hue() -> None:
    middle = {name: colours(name)[128].astype(int) for name in get_args(PaletteName)}
    assert np.ptp(middle["grey"]) <= 1
    assert middle["ember"].argmax() == 0  # red
    assert middle["lagoon"].argmax() != 0
