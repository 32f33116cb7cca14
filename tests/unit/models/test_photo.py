"""Decoding: every format and pixel type becomes an upright RGB photo, or one of our errors."""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import torch
import torchvision
from PIL import Image

from models.errors import (
    EmptyImage,
    UnsupportedFormat,
)
from models.photo import DEFAULT_LIMITS, Limits, decode, sniff

Pixels = npt.NDArray[np.uint8]

LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "GIF": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
}


def encode(image: Image.Image, form: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **LOSSLESS.get(form, {}) | options)
    return file.getvalue()


def decoded(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    return np.asarray(decode(data, limits).image)


def noise(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def exif(orientation: object) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


# Formats


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_first_bytes_tell_the_format(form: str) -> None:
    data = encode(Image.fromarray(noise(9, 7, 3)), form)
    assert sniff(data) == form
    photo = decode(data, DEFAULT_LIMITS)
    assert (photo.format, photo.size, photo.image.mode) == (form, (7, 9), "RGB")


@pytest.mark.parametrize("form", ["PNG", "WEBP", "BMP", "TIFF"])
def test_lossless_formats_keep_every_pixel(form: str) -> None:
    pixels = noise(23, 31, 3)
    np.testing.assert_array_equal(decoded(encode(Image.fromarray(pixels), form)), pixels)


def test_no_bytes_are_an_empty_image() -> None:
    with pytest.raises(EmptyImage):
        decode(b"", DEFAULT_LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"Hello, this is text.",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        bytes(1_000_000),
        encode(Image.new("RGB", (8, 8)), "ICO"),
        encode(Image.new("RGB", (8, 8)), "PPM"),
        encode(Image.new("RGB", (8, 8)), "TGA"),
    ],
    ids=["text", "svg", "pdf", "zeros", "ico", "ppm", "tga"],
)
def test_other_formats_are_refused_even_where_pillow_reads_them(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="JPEG, PNG, WebP, GIF, BMP or TIFF"):
        decode(data, DEFAULT_LIMITS)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken(form: str) -> None:
    red, blue = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (8, 6), "blue")
    data = encode(red, form, save_all=True, append_images=[blue])
    np.testing.assert_array_equal(decoded(data), np.asarray(red))


def test_a_phones_multi_picture_jpeg_is_a_jpeg() -> None:
    first, second = Image.new("RGB", (32, 16), "red"), Image.new("RGB", (32, 16), "blue")
    data = encode(first, "MPO", save_all=True, append_images=[second])
    photo = decode(data, DEFAULT_LIMITS)
    assert photo.format == "JPEG"
    np.testing.assert_allclose(np.asarray(photo.image), np.asarray(first), atol=2)


# Orientation: what the EXIF standard says of each value, by hand.

UPRIGHT: dict[int, Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored.transpose(1, 0, 2), 2),
    8: np.rot90,
}


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright(form: str, orientation: int) -> None:
    stored = noise(20, 30, 3)
    photo = decode(encode(Image.fromarray(stored), form, exif=exif(orientation)), DEFAULT_LIMITS)
    expected = UPRIGHT[orientation](stored)
    assert photo.size == expected.shape[1::-1]
    np.testing.assert_array_equal(np.asarray(photo.image), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_upright(orientation: int) -> None:
    image = Image.fromarray(noise(20, 30, 3))
    stored = np.asarray(Image.open(BytesIO(encode(image, "JPEG"))))
    photo = decoded(encode(image, "JPEG", exif=exif(orientation)))
    np.testing.assert_array_equal(photo, UPRIGHT[orientation](stored))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    stored = noise(5, 4, 3)
    data = encode(Image.fromarray(stored), "PNG", exif=exif(orientation))
    np.testing.assert_array_equal(decoded(data), stored)


def test_broken_exif_does_not_spoil_good_pixels() -> None:
    stored = noise(5, 4, 3)
    data = encode(Image.fromarray(stored), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(decoded(data), stored)


# Pixel types


def test_grey_becomes_three_equal_channels() -> None:
    grey = noise(9, 7)
    photo = decoded(encode(Image.fromarray(grey), "PNG"))
    np.testing.assert_array_equal(photo, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF"])
def test_one_bit_becomes_black_and_white(form: str) -> None:
    bits = noise(9, 7) > 127
    photo = decoded(encode(Image.fromarray(bits), form))
    np.testing.assert_array_equal(photo, np.stack([bits * np.uint8(255)] * 3, axis=-1))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF"])
def test_a_palette_is_looked_up(form: str) -> None:
    palette, index = noise(16, 3), noise(9, 7) % 16
    image = Image.fromarray(index.astype(np.uint8))
    image.putpalette(palette.tobytes())
    np.testing.assert_array_equal(decoded(encode(image, form)), palette[index])


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_white(form: str) -> None:
    palette, index = noise(16, 3), noise(9, 7) % 16
    image = Image.fromarray(index.astype(np.uint8))
    image.putpalette(palette.tobytes())
    palette[5] = 255
    np.testing.assert_array_equal(decoded(encode(image, form, transparency=5)), palette[index])


@pytest.mark.parametrize(("mode", "form"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP")])
def test_transparent_parts_show_white(mode: str, form: str) -> None:
    image = Image.fromarray(noise(9, 7, 4)).convert(mode)
    photo = decoded(encode(image, form, **({"exact": True} if form == "WEBP" else {})))
    rgba = np.asarray(image.convert("RGBA")).astype(np.float64)
    alpha = rgba[..., 3:] / 255
    np.testing.assert_allclose(photo, alpha * rgba[..., :3] + (1 - alpha) * 255, atol=1)


def test_a_transparent_colour_is_white() -> None:
    pixels = np.full((4, 4, 3), (10, 20, 30), np.uint8)
    pixels[1, 2] = (1, 2, 3)
    data = encode(Image.fromarray(pixels), "PNG", transparency=(1, 2, 3))
    pixels[1, 2] = 255
    np.testing.assert_array_equal(decoded(data), pixels)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(form: str) -> None:
    values = np.linspace(0, 65535, 256 * 8).round().astype(np.uint16).reshape(32, 64)
    photo = decoded(encode(Image.fromarray(values), form))
    np.testing.assert_allclose(photo, np.stack([values / 257] * 3, axis=-1), atol=1)
    assert (photo[0, 0, 0], photo[-1, -1, 0]) == (0, 255)


def test_16_bit_grey_of_8_bit_origin_is_exact() -> None:
    grey = noise(9, 7)
    photo = decoded(encode(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"))
    np.testing.assert_array_equal(photo[..., 0], grey)


def test_big_endian_16_bit_tiff_is_read() -> None:
    values = noise(9, 7).astype(np.uint16) * 257
    image = Image.frombytes("I;16B", (7, 9), values.astype(">u2").tobytes())
    np.testing.assert_array_equal(decoded(encode(image, "TIFF"))[..., 1], values >> 8)


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257)])
def test_a_tiff_whose_white_is_0_is_turned_around(
    dtype: type[np.unsignedinteger[Any]], scale: int
) -> None:
    grey = np.full((8, 8), 200, dtype) * dtype(scale)
    data = BytesIO()
    tifffile.imwrite(data, grey, photometric="miniswhite")

    assert (decoded(data.getvalue()) == 55).all()


def test_16_bit_colour_is_scaled_and_not_clipped(png: Callable[..., bytes]) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    np.testing.assert_allclose(decoded(png(7, 9, 16, 2, rows)), values / 257, atol=1)


def test_a_transparent_16_bit_grey_is_white() -> None:
    values = np.array([[1000, 2000], [1001, 65535]], np.uint16)
    data = encode(Image.fromarray(values), "PNG", transparency=1000)
    np.testing.assert_array_equal(decoded(data)[..., 0], [[255, 7], [3, 255]])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_grey_of_few_bits_is_white(png: Callable[..., bytes], bits: int) -> None:
    most = 2**bits - 1
    row = np.unpackbits(np.arange(most + 1, dtype=np.uint8)[:, None], axis=1)[:, -bits:]
    darkest = struct.pack(">H", 0)
    data = png(most + 1, 1, bits, 0, b"\0" + np.packbits(row).tobytes(), transparent=darkest)

    grey = [255, *(255 * value // most for value in range(1, most + 1))]
    np.testing.assert_array_equal(decoded(data)[0, :, 0], grey)


def test_a_transparent_16_bit_colour_is_white(png: Callable[..., bytes]) -> None:
    colours = np.array([(1000, 2000, 3000), (0x1234, 0x5678, 0x9ABC), (0x03, 0x07, 0x0B)], ">u2")
    data = png(3, 1, 16, 2, b"\0" + colours.tobytes(), transparent=colours[0].tobytes())

    np.testing.assert_array_equal(decoded(data)[0], [(255,) * 3, (0x12, 0x56, 0x9A), (0, 0, 0)])


@pytest.mark.parametrize(("alpha", "shown"), [((0, 0), (10, 20, 30)), ((0, 255), (255, 255, 255))])
def test_alpha_that_a_bmp_leaves_zero_everywhere_counts_for_nothing(
    alpha: tuple[int, int], shown: tuple[int, int, int]
) -> None:
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    pixels = b"".join(bytes((30, 20, 10, value)) for value in alpha)
    header = struct.pack("<IiiHHIIiiII", 108, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0) + masks + bytes(52)
    data = b"BM" + struct.pack("<IHHI", 122 + 8, 0, 0, 122) + header + pixels

    np.testing.assert_array_equal(decoded(data)[0], [shown, (10, 20, 30)])


@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
def test_adobes_inverted_cmyk_jpeg_looks_as_another_decoder_shows_it() -> None:
    colours = [(0, 255, 255, 0), (255, 0, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0)]
    image = Image.new("CMYK", (64, 64))
    for column, colour in enumerate(colours):
        image.paste(colour, (16 * column, 0, 16 * column + 16, 64))
    data = encode(image, "JPEG", quality=100)
    assert b"Adobe" in data
    expected = torchvision.io.decode_jpeg(
        torch.frombuffer(bytearray(data), dtype=torch.uint8), torchvision.io.ImageReadMode.RGB
    )
    photo = decoded(data)
    np.testing.assert_allclose(photo, expected.permute(1, 2, 0).numpy(), atol=3)
    np.testing.assert_allclose(photo[8, 8], (255, 0, 0), atol=3)  # magenta and yellow ink
    np.testing.assert_allclose(photo[8, 40], (0, 0, 0), atol=3)
    np.testing.assert_allclose(photo[8, 56], (255, 255, 255), atol=3)  # no ink


def test_cmyk_tiff_is_ink_on_paper() -> None:
    image = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    np.testing.assert_array_equal(decoded(encode(image, "TIFF"))[0, 0], (255, 0, 0))


@pytest.mark.parametrize("mode", ["I", "F", "LAB"])
def test_pixels_without_a_defined_white_are_refused(mode: str) -> None:
    with pytest.raises(UnsupportedFormat, match="8 or 16 bits"):
        decode(encode(Image.new(mode, (4, 4)), "TIFF"), DEFAULT_LIMITS)


def test_a_mistake_of_ours_is_not_called_the_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(_: Image.Image) -> Image.Image:
        raise AttributeError("ours")

    monkeypatch.setattr("models.photo._to_rgb", mistaken)

    with pytest.raises(AttributeError, match="ours"):
        decoded(encode(Image.fromarray(noise(4, 4, 3)), "PNG"))
