"""A saliency map drawn over or beside its photo, with the box around what it points at."""

from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from service.core.legend import legend
from service.core.localization import Box
from service.core.palettes import PaletteName, colours

MAX_SIDE = 2048

View = Literal["overlay", "map", "beside"]

_OPACITY = 0.6
_BRIGHTEST = 99.0


@dataclass(frozen=True)
class Style:
    """How a map is drawn.

    Attributes:
        view: over the photo, without it, or the photo and beside it the map over it.
        colours: the palette.
        legend: adds a strip below that says what the colours mean.
    """

    view: View = "overlay"
    colours: PaletteName = "ember"
    legend: bool = False


def draw(
    photo: npt.NDArray[np.uint8],
    saliency: npt.NDArray[np.floating],
    crop: Box,
    box: Box | None = None,
    style: Style = Style(),
) -> bytes:
    """Draw the map over the part of the photo that it covers, as a PNG; see `laid_over`."""
    png = BytesIO()
    laid_over(photo, saliency, crop, box, style).save(png, format="PNG", compress_level=4)
    return png.getvalue()


def laid_over(
    photo: npt.NDArray[np.uint8],
    saliency: npt.NDArray[np.floating],
    crop: Box,
    box: Box | None = None,
    style: Style = Style(),
) -> Image.Image:
    """Draw the map over the part of the photo that it covers.

    The colours run from the map's zero to its 99th percentile (as Smilkov et al. 2017,
    "SmoothGrad", cap outliers). Outside the crop, which the model did not see, the map
    counts as zero. A photo with a side above 2048 pixels is drawn smaller.

    Args:
        photo: uint8 [height, width, 3], RGB, upright.
        saliency: [H, W], not negative.
        crop: (left, top, right, bottom) of what the map covers, in the photo's pixels.
        box: the same of a box to draw, its lines inside it; None draws none.
        style: how to draw.

    Returns:
        A picture of the photo's aspect; twice as wide where they are side by side, and 30 pixels
        higher with a legend.
    """
    picture = _shrunk(Image.fromarray(photo))
    height, width = photo.shape[:2]
    across, down = picture.width / width, picture.height / height
    brightest = _brightest(saliency)
    heat = _over_photo(_normalised(saliency, brightest), picture.size, _scaled(crop, across, down))
    palette = colours(style.colours)
    drawn = Image.fromarray(palette[heat])
    if style.view != "map":
        drawn = Image.blend(picture, drawn, _OPACITY)
    if box is not None:
        _frame(drawn, _scaled(box, across, down))
    if style.view == "beside":
        drawn = _joined([picture, drawn], downwards=False)
    if style.legend:
        drawn = _joined([drawn, legend(drawn.width, palette, brightest)], downwards=True)
    return drawn


def _joined(pictures: list[Image.Image], *, downwards: bool) -> Image.Image:
    """Pictures one after the other, downwards or to the right; they agree in the other side."""
    arrays = [np.asarray(picture) for picture in pictures]
    return Image.fromarray(np.concatenate(arrays, axis=0 if downwards else 1))


def _scaled(box: Box, across: float, down: float) -> Box:
    left, top, right, bottom = box
    return (left * across, top * down, right * across, bottom * down)


def _frame(picture: Image.Image, box: Box) -> None:
    """Draw a box: white around black, which shows on any colour."""
    left, top, right, bottom = (round(edge) for edge in box)
    draw = ImageDraw.Draw(picture)
    for inset, colour in enumerate(("white", "black")):
        # Pillow's rectangles include their last row and column.
        corners = (left + inset, top + inset, right - 1 - inset, bottom - 1 - inset)
        if corners[0] <= corners[2] and corners[1] <= corners[3]:
            draw.rectangle(corners, outline=colour)


def _shrunk(picture: Image.Image) -> Image.Image:
    """The picture with no side above the maximum and none below a pixel."""
    shrink = MAX_SIDE / max(picture.size)
    if shrink >= 1:
        return picture
    width, height = (max(1, round(side * shrink)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


def _brightest(saliency: npt.NDArray[np.floating]) -> float:
    """The value of the last colour; zero where the map is zero everywhere."""
    return float(np.percentile(saliency, _BRIGHTEST) or saliency.max())


def _normalised(saliency: npt.NDArray[np.floating], brightest: float) -> npt.NDArray[np.float32]:
    """The map scaled to [0, 1]; a map that is zero everywhere stays so."""
    values = np.asarray(saliency, dtype=np.float32)
    return np.asarray(np.clip(values / (brightest or 1.0), 0, 1), dtype=np.float32)


def _over_photo(
    values: npt.NDArray[np.float32], size: tuple[int, int], crop: Box
) -> npt.NDArray[np.uint8]:
    """The map [H, W] in [0, 1] laid over a photo of (width, height) `size`: uint8 [h, w]."""
    left, top, right, bottom = crop
    height, width = values.shape
    across, down = width / (right - left), height / (bottom - top)
    grey = Image.fromarray(np.round(values * 255).astype(np.uint8))
    laid = grey.transform(
        size,
        Image.Transform.AFFINE,
        (across, 0, -left * across, 0, down, -top * down),
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(laid)
