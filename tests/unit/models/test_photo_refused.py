"""Decoding what is too large or broken: refused in time, and never a crash."""

import resource
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.errors import (
    CorruptImage,
    ImageError,
    ImageTooLarge,
    UnsupportedFormat,
)
from models.photo import DEFAULT_LIMITS, Limits, decode

Pixels = npt.NDArray[np.uint8]


def encode(image: Image.Image, form: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def decoded(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    return np.asarray(decode(data, limits).image)


def noise(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# Size


def claiming(form: str, side: int, png: Callable[..., bytes]) -> bytes:
    """A small file whose header claims side x side pixels."""
    if form == "PNG":
        return png(side, side, 8, 2, bytes(1_000_000))
    if form == "GIF":
        screen = b"GIF89a" + struct.pack("<HHBBB", side, side, 0, 0, 0)
        return screen + b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02L\x01\0;"
    if form == "BMP":
        header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
        return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header
    if form == "JPEG":
        data = bytearray(encode(Image.new("L", (8, 8)), "JPEG"))
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
        return bytes(data)
    if form == "WEBP":
        data = bytearray(encode(Image.new("RGB", (8, 8)), "WEBP", lossless=True))
        at = data.index(b"VP8L") + 9
        size = int.from_bytes(data[at : at + 4], "little")
        size = (size >> 28 << 28) | (side - 1) | (side - 1) << 14
        data[at : at + 4] = size.to_bytes(4, "little")
        return bytes(data)
    one_row = encode(Image.new("1", (8, 1)), "TIFF", compression="group4")
    data = bytearray(one_row)
    entries = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, entries)[0]):
        at = entries + 2 + 12 * entry
        if struct.unpack_from("<H", data, at)[0] in (256, 257):  # width, length
            struct.pack_into("<HII", data, at + 2, 4, 1, side)
    return bytes(data)


@pytest.mark.parametrize(
    ("form", "side"),
    [
        ("PNG", 60_000),
        ("JPEG", 60_000),
        ("GIF", 60_000),
        ("BMP", 60_000),
        ("TIFF", 60_000),
        ("WEBP", 16_000),
        ("PNG", 7_100),
    ],
)
def test_a_pixel_bomb_is_refused_by_its_header(
    form: str, side: int, png: Callable[..., bytes]
) -> None:
    data = claiming(form, side, png)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageTooLarge):
        decode(data, DEFAULT_LIMITS)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert kilobytes < 64 * 1024


def test_the_pixel_limit_is_the_callers() -> None:
    data = encode(Image.new("RGB", (10, 10)), "PNG")
    assert decode(data, Limits(max_pixels=100)).size == (10, 10)
    with pytest.raises(ImageTooLarge, match="10 x 10 pixels are more than the 99 allowed"):
        decode(data, Limits(max_pixels=99))


def test_an_endless_strip_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="70000"):
        decode(encode(Image.new("L", (70_000, 1)), "PNG"), DEFAULT_LIMITS)


# Broken content

SAMPLES = {
    "jpeg": encode(Image.fromarray(noise(40, 60, 3)), "JPEG"),
    "progressive jpeg": encode(Image.fromarray(noise(40, 60, 3)), "JPEG", progressive=True),
    "grey jpeg": encode(Image.fromarray(noise(40, 60)), "JPEG"),
    "png": encode(Image.fromarray(noise(40, 60, 3)), "PNG"),
    "png with alpha": encode(Image.fromarray(noise(40, 60, 4)), "PNG"),
    "webp": encode(Image.fromarray(noise(40, 60, 3)), "WEBP"),
    "lossless webp": encode(Image.fromarray(noise(40, 60, 4)), "WEBP", lossless=True),
    "gif": encode(Image.fromarray(noise(40, 60)), "GIF"),
    "bmp": encode(Image.fromarray(noise(40, 60, 3)), "BMP"),
    "tiff": encode(Image.fromarray(noise(40, 60, 3)), "TIFF"),
    "lzw tiff": encode(Image.fromarray(noise(40, 60, 3)), "TIFF", compression="tiff_lzw"),
    "16-bit tiff": encode(Image.fromarray(noise(40, 60).astype(np.uint16)), "TIFF"),
}
samples = st.sampled_from(sorted(SAMPLES))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_an_image_cut_in_the_middle_is_corrupt(name: str) -> None:
    data = SAMPLES[name]
    with pytest.raises(CorruptImage, match="broken"):
        decode(data[: len(data) // 2], DEFAULT_LIMITS)


@settings(deadline=None, max_examples=300)
@given(name=samples, at=st.floats(0, 1, exclude_max=True))
def test_an_image_cut_anywhere_is_refused_or_whole(name: str, at: float) -> None:
    data = SAMPLES[name]
    try:
        photo = decoded(data[: int(at * len(data))])
    except ImageError:
        return
    np.testing.assert_array_equal(photo, decoded(data))


@settings(deadline=None, max_examples=300)
@given(
    name=samples,
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1),
    whole=st.booleans(),
)
def test_altered_bytes_raise_nothing_but_image_errors(
    name: str, changes: list[tuple[float, int]], *, whole: bool
) -> None:
    data = bytearray(SAMPLES[name])
    reach = len(data) if whole else 200  # headers are where parsers trip
    for at, value in changes:
        data[int(at * reach)] = value
    try:
        photo = decode(bytes(data), DEFAULT_LIMITS)
    except ImageError:
        return
    assert photo.image.mode == "RGB"


MAGIC = st.sampled_from(
    [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF....WEBP",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"MM\0*",
    ]
)


@settings(deadline=None, max_examples=300)
@given(magic=MAGIC, content=st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_image_errors(magic: bytes, content: bytes) -> None:
    try:
        message = decode(magic + content, DEFAULT_LIMITS).image.mode
    except ImageError as error:
        message = str(error)
    assert len(message.splitlines()) == 1


def test_threads_decode_independently() -> None:
    alone = {name: decoded(data) for name, data in SAMPLES.items()}
    names = sorted(SAMPLES) * 8
    with ThreadPoolExecutor(4) as pool:
        for name, photo in zip(names, pool.map(lambda n: decoded(SAMPLES[n]), names), strict=True):
            np.testing.assert_array_equal(photo, alone[name])


def test_a_tiff_of_12_bits_is_refused_and_not_taken_for_a_dark_one() -> None:
    grey = encode(Image.fromarray(np.full((8, 8), 65535, np.uint16)), "TIFF")
    bits = struct.Struct("<HHIHH")
    data = grey.replace(bits.pack(258, 3, 1, 16, 0), bits.pack(258, 3, 1, 12, 0))
    assert data != grey

    with pytest.raises(UnsupportedFormat, match="12-bit numbers"):
        decode(data, DEFAULT_LIMITS)


def test_a_tiff_of_signed_numbers_is_refused() -> None:
    data = BytesIO()
    tifffile.imwrite(data, np.full((8, 8), -3, np.int8), photometric="minisblack")

    with pytest.raises(UnsupportedFormat, match="signed numbers"):
        decode(data.getvalue(), DEFAULT_LIMITS)
