"""From encoded bytes to an upright RGB photo, or one of our errors.

This is the only file that lets Pillow open anything. The first bytes decide the format,
the header decides the size, and only then are pixels decoded.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt

# Imported here, or Pillow imports all of its plugins at the first WebP or TIFF.
from PIL import (
    BmpImagePlugin,
    ExifTags,
    Image,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from models.errors import CorruptImage, EmptyImage, ImageTooLarge, UnsupportedFormat

# JPEG's own limit; beyond it Pillow's float32 boxes no longer tell neighbouring pixels apart.
MAX_SIDE = 65_535

BACKGROUND = (255, 255, 255)

# `_check_size` refuses what is too large; Pillow would warn on stderr before it could.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_UPRIGHT = {  # EXIF orientation -> what turns the stored photo upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Orientations that bring the stored right edge to the left, or the stored bottom edge to
# the top; the second pair swaps the axes.
_LEFT_WAS_FAR = frozenset({2, 3, 6, 7})
_TOP_WAS_FAR = frozenset({3, 4, 7, 8})
_SWAPPED = frozenset({5, 6, 7, 8})

_DIRECT_MODES = frozenset({"1", "L", "P", "RGB", "CMYK", "YCbCr"})


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Limits:
    """What is decoded at all.

    `max_pixels` counts width x height as the header states them. The default lets 50
    megapixel phones through; such a photo takes 200 MB while it is decoded at full scale.
    """

    max_pixels: int = 50_000_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Photo:
    """An upright RGB photo, perhaps decoded at reduced scale.

    `size` is the (width, height) of the whole photo. A point (x, y) of it lies at
    `origin + (x, y) / scale` in `image`.
    """

    image: Image.Image
    size: tuple[int, int]
    format: str
    scale: int = 1
    origin: tuple[float, float] = (0.0, 0.0)

    def place(self, box: Box) -> Box:
        """Where a box (left, top, right, bottom) of the whole photo lies in `image`."""
        (x, y), (left, top, right, bottom) = self.origin, box
        scale = self.scale
        return (x + left / scale, y + top / scale, x + right / scale, y + bottom / scale)


def sniff(data: bytes) -> str:
    """The format that the first bytes announce, as Pillow names it.

    Raises:
        EmptyImage: there are no bytes.
        UnsupportedFormat: not JPEG, PNG, WebP, GIF, BMP or TIFF.
    """
    if not data:
        raise EmptyImage("the image is empty: no bytes were sent")
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    raise UnsupportedFormat("this is not a JPEG, PNG, WebP, GIF, BMP or TIFF image")


def decode(
    data: bytes, limits: Limits, *, shorter: int | None = None, longer: int | None = None
) -> Photo:
    """Decode the first frame, upright, in RGB, with transparent parts on white.

    With `shorter` or `longer`, a JPEG is decoded at 1/2, 1/4 or 1/8 scale where that side
    still has so many pixels.

    Raises:
        EmptyImage: there are no bytes.
        UnsupportedFormat: not one of our formats, or 32-bit or Lab pixels.
        CorruptImage: the content is broken or cut off.
        ImageTooLarge: more pixels than `limits` allow, found before decoding them.
    """
    form = sniff(data)
    with _translated(form):
        stored = Image.open(BytesIO(data), formats=(form,))
    with stored:
        header_size = stored.size
        _check_size(header_size, limits)
        scale = _reduce(stored, shorter, longer) if form == "JPEG" else 1
        with _translated(form):
            stored.load()
        if form == "PNG":
            _fit_transparent_colour(stored, bits=data[_PNG_BITS])
        orientation = _orientation(stored)
        try:
            image = _to_rgb(stored)
        except MemoryError as error:
            raise _out_of_memory(form) from error
    # A TIFF is turned upright while Pillow loads it: only a reduced JPEG's size differs.
    width, height = header_size if scale > 1 else image.size
    # libjpeg rounds a reduced size up; what is too much lies at the stored right and bottom.
    excess_x, excess_y = image.width - width / scale, image.height - height / scale
    if orientation in _SWAPPED:
        width, height, excess_x, excess_y = height, width, excess_y, excess_x
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    origin = (
        excess_x if orientation in _LEFT_WAS_FAR else 0.0,
        excess_y if orientation in _TOP_WAS_FAR else 0.0,
    )
    return Photo(image, (width, height), form, scale, origin)


@contextmanager
def _translated(form: str) -> Iterator[None]:
    """Turn what Pillow raises into our errors.

    Its decoders raise whatever their parsers stumble upon: OSError, SyntaxError,
    ValueError, struct.error, EOFError, KeyError, zlib.error and more.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"the {form} claims far more pixels than are allowed") from error
    except MemoryError as error:
        raise _out_of_memory(form) from error
    except UnidentifiedImageError as error:
        raise CorruptImage(f"the {form} has a broken header, or unusual pixels") from error
    except Exception as error:
        raise CorruptImage(f"the {form} is broken or cut off: {error}") from error


def _out_of_memory(form: str) -> ImageTooLarge:
    return ImageTooLarge(f"there is not enough memory to decode this {form}")


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"{width} x {height} pixels are more than the {limits.max_pixels:,} allowed"
        )
    if max(size) > MAX_SIDE:
        raise ImageTooLarge(f"a side of {max(size)} pixels is longer than the {MAX_SIDE} allowed")


def _reduce(stored: Image.Image, shorter: int | None, longer: int | None) -> int:
    """Have a JPEG decoded at reduced scale; return the divisor."""
    width, height = stored.size
    if shorter is not None:
        least = (shorter, shorter)
    elif longer is not None:
        least = (longer, 1) if width >= height else (1, longer)
    else:
        return 1
    drafted = stored.draft(None, least)
    return 1 if drafted is None else round(width / drafted[1][2])


def _orientation(stored: Image.Image) -> int:
    """EXIF orientation; 1 where there is none, or none that can be read.

    Cameras and editors write broken EXIF around good pixels, and viewers show such photos.
    """
    try:
        orientation = stored.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - see `_translated`
        return 1
    return orientation if orientation in _UPRIGHT else 1


_PNG_BITS = 24  # where a PNG's header states the bits of a channel
_SIGNED = 2  # of TIFF's SampleFormat


def _fit_transparent_colour(stored: Image.Image, *, bits: int) -> None:
    """Have a PNG's transparent colour in 8 bits: Pillow brings the pixels there, but not it."""
    colour = stored.info.get("transparency")
    if isinstance(colour, tuple) and bits == 16:  # noqa: PLR2004
        stored.info["transparency"] = tuple(channel >> 8 for channel in colour)
    elif isinstance(colour, int) and stored.mode == "L":
        stored.info["transparency"] = colour * 255 // (2**bits - 1)


def _to_rgb(stored: Image.Image) -> Image.Image:
    if isinstance(stored, TiffImagePlugin.TiffImageFile):
        _check_samples(stored)
    if stored.mode.startswith("I;16"):
        return _from_16_bits(stored).convert("RGB")
    if stored.has_transparency_data:
        rgba = stored.convert("RGBA")
        # Many programs leave that byte of a BMP zero, and viewers ignore it then.
        bmp = isinstance(stored, BmpImagePlugin.BmpImageFile)
        if bmp and rgba.getchannel("A").getextrema() == (0, 0):
            return rgba.convert("RGB")
        photo = Image.new("RGB", rgba.size, BACKGROUND)
        photo.paste(rgba, mask=rgba)
        return photo
    if stored.mode not in _DIRECT_MODES:
        raise UnsupportedFormat(
            f"pixels of type {stored.mode} are not supported: "
            "convert the image to RGB or grey, with 8 or 16 bits a channel"
        )
    # Converting RGB to RGB would copy it.
    return stored if stored.mode == "RGB" else stored.convert("RGB")


def _from_16_bits(stored: Image.Image) -> Image.Image:
    """The high byte of each grey value: what Pillow itself keeps of 16-bit colour."""
    values: npt.NDArray[np.uint16] = np.array(stored)
    # Pillow turns 8 bits of such a TIFF around, but not 16.
    if isinstance(stored, TiffImagePlugin.TiffImageFile) and _white_is_zero(stored):
        values = np.invert(values)
    if (transparent := stored.info.get("transparency")) is not None:
        values[values == transparent] = np.uint16(65535)
    return Image.fromarray((values >> 8).astype(np.uint8))


def _check_samples(stored: TiffImagePlugin.TiffImageFile) -> None:
    """Refuse numbers that Pillow takes for others: signed ones, and 12 bits for 16."""
    signed = _SIGNED in stored.tag_v2.get(TiffImagePlugin.SAMPLEFORMAT, ())
    bits = stored.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))[0]
    if signed or (stored.mode.startswith("I;16") and bits != 16):  # noqa: PLR2004
        raise UnsupportedFormat(
            f"a TIFF of {'signed' if signed else f'{bits}-bit'} numbers is not supported: "
            "convert it to 8 or 16 bits a channel"
        )


def _white_is_zero(stored: TiffImagePlugin.TiffImageFile) -> bool:
    return bool(stored.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0)
