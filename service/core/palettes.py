"""The colours that heat maps are drawn in, by name."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

PaletteName = Literal["ember", "lagoon", "grey"]

_Doubles = npt.NDArray[np.float64]


class _Path(NamedTuple):
    """A way through OKLCh, for positions in [0, 1]: chroma, and hue in degrees."""

    chroma: Callable[[_Doubles], _Doubles]
    hue: Callable[[_Doubles], _Doubles]


_PATHS: Mapping[PaletteName, _Path] = {
    "ember": _Path(
        lambda position: 0.03 + 0.13 * np.sin(np.pi * position**0.9) ** 0.8,
        lambda position: 285 + 185 * position,
    ),
    "lagoon": _Path(
        lambda position: 0.03 + 0.06 * np.sin(np.pi * position) ** 0.8,
        lambda position: 300 - 190 * position,
    ),
    "grey": _Path(np.zeros_like, np.zeros_like),
}


@cache
def colours(name: PaletteName) -> npt.NDArray[np.uint8]:
    """A palette: sRGB uint8 [256, 3], from near black to near white.

    `ember` goes over violet and orange to yellow, `lagoon` over blue and green to yellow; their
    hue turns once, and the colours fade towards both ends. Lightness rises evenly in OKLab
    (Ottosson 2020), so that equal steps of the map look equal.
    """
    position = np.linspace(0, 1, 256)
    path = _PATHS[name]
    lightness, chroma, hue = 0.16 + 0.80 * position, path.chroma(position), path.hue(position)
    turned = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(turned), chroma * np.sin(turned)], axis=1)
    linear = (lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T
    inside = np.clip(linear, 0, 1)
    gamma = 1.055 * inside ** (1 / 2.4) - 0.055
    encoded = np.where(inside <= _LINEAR_BELOW, 12.92 * inside, gamma)
    return np.asarray(np.round(encoded * 255), dtype=np.uint8)


_LINEAR_BELOW = 0.0031308  # of sRGB's transfer curve
_OKLAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
