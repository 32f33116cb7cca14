"""Snow, fog and bright light."""

import numpy as np
import numpy.typing as npt

from service.core.robustness.corruptions.motion import along_a_line, nearer
from service.core.robustness.corruptions.pixels import Pixels, pixels

_LUMA = (0.299, 0.587, 0.114)


def snow(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Let it snow, aslant, on a scene that has grown pale."""
    mean, deviation, size, least, radius, fading, colour = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[severity - 1]
    height, width = image.shape[:2]
    flakes = nearer(generator.normal(mean, deviation, (height, width))[..., np.newaxis], size)
    flakes = np.where(flakes < least, 0, np.clip(flakes, 0, 1))
    fallen = along_a_line(flakes, radius, fading, generator.uniform(-135, -45))
    layer = (np.rint(255 * fallen) / 255)[:height, :width]
    seen = image / 255
    pale = np.maximum(seen, 1.5 * (seen @ _LUMA)[..., np.newaxis] + 0.5)
    return pixels(colour * seen + (1 - colour) * pale + layer + np.rot90(layer, 2))


def fog(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Lay fog over the image, thicker here and thinner there."""
    thickness, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[severity - 1]
    height, width = image.shape[:2]
    side = 1 << (max(height, width) - 1).bit_length()
    layer = thickness * _plasma(side, decay, generator)[:height, :width, np.newaxis]
    brightest = image.max() / 255
    return pixels((image / 255 + layer) * brightest / (brightest + thickness))


def brightness(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Raise the value of hue, saturation and value."""
    colours = image / 255
    value = colours.max(axis=2, keepdims=True)
    raised = np.minimum(value + severity / 10, 1)
    # With hue and saturation as they are, the channels keep their ratios; black has none.
    scaled = colours * (raised / np.where(value > 0, value, 1))
    return pixels(np.where(value > 0, scaled, raised))


def _plasma(side: int, decay: float, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Heights in [0, 1], [side, side], by the diamond-square algorithm.

    Fournier et al. 1982, "Computer rendering of stochastic models". The map is a torus.
    """
    heights = np.zeros((side, side))
    step, roughness = side, 100.0

    def disturbed(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return sums / 4 + roughness * generator.uniform(-roughness, roughness, sums.shape)

    while step > 1:
        half = step // 2
        corners, middles = heights[::step, ::step], heights[half::step, half::step]
        above = corners + np.roll(corners, -1, axis=0)
        middles[:] = disturbed(above + np.roll(above, -1, axis=1))
        lying = middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        heights[::step, half::step] = disturbed(lying)
        upright = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        heights[half::step, ::step] = disturbed(upright)
        step, roughness = half, roughness / decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())
