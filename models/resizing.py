"""Resizing a part of a photo with Pillow's filters, at a fifth of Pillow's cost.

fast_image_resize (in cykooz_resizer) convolves with the CPU's vector instructions. Its filters and
its fixed-point numbers are Pillow's; the order of its two passes is not, and what a filter
overshoots is clipped between them. So they are asked for one by one, in Pillow's order.
"""

from math import ceil, floor

from cykooz_resizer import CropBox, FilterType, ResizeAlg, ResizeOptions, Resizer
from PIL import Image

from models.manifest import Resampling
from models.photo import Box

_FILTERS = {  # and how many pixels of the result each reaches to either side
    Resampling.BILINEAR: (FilterType.bilinear, 1),
    Resampling.BICUBIC: (FilterType.catmull_rom, 2),  # a = -1/2, as Pillow's
    Resampling.LANCZOS: (FilterType.lanczos3, 3),
}


def resize(
    image: Image.Image, size: tuple[int, int], box: Box, resampling: Resampling
) -> Image.Image:
    """What `image.resize(size, filter, box)` gives, across first, within rounding.

    Args:
        image: RGB.
        size: (width, height) of the result.
        box: (left, top, right, bottom) of the part that is shown, in `image`'s pixels. As in
            Pillow, the filters see what lies around it.
        resampling: the filter.
    """
    kernel, reach = _FILTERS[resampling]
    # Rounding may have moved an edge beyond the image by a billionth of a pixel.
    left, top = max(0.0, box[0]), max(0.0, box[1])
    right, bottom = min(float(image.width), box[2]), min(float(image.height), box[3])
    width, height = size
    seen = reach * max(1.0, (bottom - top) / height) + 1
    first, last = max(0, floor(top - seen)), min(image.height, ceil(bottom + seen))
    across = Image.new("RGB", (width, last - first))
    _convolve(image, across, (left, first, right, last), kernel)
    resized = Image.new("RGB", size)
    _convolve(across, resized, (0, top - first, width, bottom - first), kernel)
    return resized


def _convolve(image: Image.Image, into: Image.Image, box: Box, kernel: FilterType) -> None:
    left, top, right, bottom = box
    options = ResizeOptions(
        resize_alg=ResizeAlg.convolution(kernel),
        crop_box=CropBox(left, top, right - left, bottom - top),
    )
    # One for each call: a resizer's buffers are not to be shared by threads.
    Resizer().resize_pil(image, into, options)
