"""What the colours of a heat map mean."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

HEIGHT = 30

_BAR = 14
_MARGIN = 4
_TEXT = 11


def legend(width: int, colours: npt.NDArray[np.uint8], brightest: float) -> Image.Image:
    """A strip, 30 pixels high: all colours from left to right, and the numbers at both ends.

    Args:
        width: of the strip, in pixels. What is written needs about 100.
        colours: uint8 [256, 3].
        brightest: the map's value from which on the last colour stands.
    """
    strip = Image.new("RGB", (width, HEIGHT), "white")
    steps = np.linspace(0, len(colours) - 1, width).round().astype(int)
    strip.paste(Image.fromarray(colours[np.newaxis, steps]).resize((width, _BAR)))
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(_TEXT)
    draw.text((_MARGIN, _BAR), "0", "black", font)
    draw.text((width - _MARGIN, _BAR), f"{brightest:.3g}", "black", font, anchor="ra")
    return strip
