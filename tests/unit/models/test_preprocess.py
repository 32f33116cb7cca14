"""The crop: timm's and torchvision's pixels and geometry, and the answers of a real model."""

from importlib.metadata import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from models.manifest import Preprocessing, Resampling
from models.photo import DEFAULT_LIMITS, decode
from models.preprocess import crop_box, preprocess

PHOTOS = sorted(
    Path(file.locate()) for file in files("foolbox") or [] if file.match("data/imagenet_*.jpg")
)
HALF = (0.5, 0.5, 0.5)


def spec(
    resize: int, crop: tuple[int, int], resampling: Resampling = Resampling.BICUBIC
) -> Preprocessing:
    return Preprocessing(resize=resize, crop=crop, resampling=resampling, mean=HALF, std=HALF)


LITE0 = spec(256, (224, 224))


def encode(image: Image.Image, form: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def difference(ours: npt.NDArray[np.uint8], theirs: Image.Image) -> int:
    return int(np.abs(ours.astype(int) - np.asarray(theirs)).max())


# Geometry and pixels

sides = st.integers(1, 260)


@settings(deadline=None, max_examples=200)
@given(
    width=sides,
    height=sides,
    resize=st.integers(8, 80),
    margins=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    orientation=st.integers(1, 8),
)
def test_the_crop_is_torchvisions_resize_and_centre_crop(
    *,
    width: int,
    height: int,
    resize: int,
    margins: tuple[int, int],
    orientation: int,
) -> None:
    crop = (resize - margins[0], resize - margins[1])
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)
    data = encode(Image.fromarray(pixels), "PNG", exif=exif(orientation))
    ours = preprocess(data, spec(resize, crop, Resampling.BILINEAR))
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    theirs = Compose([Resize(resize, InterpolationMode.BILINEAR), CenterCrop(crop)])(upright)
    assert ours.photo_size == upright.size
    # Pillow may take its two passes in the other order: each rounds to 8 bits.
    assert difference(ours.pixels, theirs) <= 2


# Where a filter overshoots, the order of the passes shows at clipped edges; Pillow chooses
# it by cost, and for wide photos almost always chooses alike.
@settings(deadline=None, max_examples=100)
@given(
    height=st.integers(1, 200),
    wider=st.integers(0, 200),
    resampling=st.sampled_from([Resampling.BICUBIC, Resampling.LANCZOS]),
)
def test_sharpening_filters_agree_too(height: int, wider: int, resampling: Resampling) -> None:
    shape = (height, height + wider, 3)
    image = Image.fromarray(np.random.default_rng(height).integers(0, 256, shape, np.uint8))
    ours = preprocess(encode(image, "PNG"), spec(64, (56, 48), resampling))
    theirs = Compose([Resize(64, InterpolationMode(resampling)), CenterCrop((56, 48))])(image)
    assert difference(ours.pixels, theirs) <= 2


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.stem)
def test_a_real_photos_crop_is_that_of_timms_own_transform(path: Path) -> None:
    transform = timm.data.create_transform(
        (3, 224, 224), interpolation="bicubic", crop_pct=0.875, mean=HALF, std=HALF
    )
    theirs = (transform(Image.open(path).convert("RGB")) + 1) * 127.5
    ours = preprocess(path.read_bytes(), LITE0).pixels
    np.testing.assert_allclose(ours, theirs.permute(1, 2, 0), atol=1.01)


MODES = {  # what Pillow can write
    "JPEG": ["L", "RGB", "CMYK"],
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "WEBP": ["L", "RGB", "RGBA"],
    "GIF": ["1", "L", "P", "RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB", "RGBA"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B"],
}


@settings(deadline=None, max_examples=200)
@given(
    width=sides,
    height=sides,
    kind=st.sampled_from([(form, mode) for form, modes in MODES.items() for mode in modes]),
    orientation=st.integers(1, 8),
    crop=st.tuples(st.integers(1, 24), st.integers(1, 24)),
)
def test_any_image_gives_the_crops_shape(
    *, width: int, height: int, kind: tuple[str, str], orientation: int, crop: tuple[int, int]
) -> None:
    form, mode = kind
    image = Image.effect_noise((width, height), 60)
    stored = Image.new(mode, image.size) if mode.startswith("I;16") else image.convert(mode)
    ours = preprocess(encode(stored, form, exif=exif(orientation)), spec(24, crop))
    assert ours.pixels.shape == (*crop, 3)
    assert ours.pixels.dtype == np.uint8
    turned = orientation >= 5 and form in {"JPEG", "PNG", "WEBP", "TIFF"}
    assert ours.photo_size == ((height, width) if turned else (width, height))
    left, top, right, bottom = ours.box
    assert 0 <= left < right <= ours.photo_size[0] + 1e-9
    assert 0 <= top < bottom <= ours.photo_size[1] + 1e-9


def test_the_box_is_where_the_crop_lies_in_the_photo() -> None:
    # 500 x 375 becomes 341 x 256; the crop leaves round(58.5) = 58 columns and 16 rows.
    left, top, right, bottom = crop_box((500, 375), LITE0)
    assert (left, right) == pytest.approx((58 * 500 / 341, (58 + 224) * 500 / 341))
    assert (top, bottom) == pytest.approx((16 * 375 / 256, 240 * 375 / 256))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_box_points_at_the_same_things_in_the_upright_photo(orientation: int) -> None:
    stored = np.zeros((300, 500, 3), np.uint8)
    stored[140:160, 240:280] = 255
    data = encode(Image.fromarray(stored), "PNG", exif=exif(orientation))
    crop, photo = preprocess(data, spec(100, (80, 90))), decode(data, DEFAULT_LIMITS).image
    assert photo.size == crop.photo_size
    left, top, right, bottom = crop.box
    rows, columns = np.nonzero(crop.pixels[..., 0] > 127)
    found = (
        left + columns.min() * (right - left) / 90,
        top + rows.min() * (bottom - top) / 80,
        left + (columns.max() + 1) * (right - left) / 90,
        top + (rows.max() + 1) * (bottom - top) / 80,
    )
    rows, columns = np.nonzero(np.asarray(photo)[..., 0])
    marked = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose(found, marked, atol=2)


# Reduced scale


def waves(width: int, height: int) -> Image.Image:
    """Smooth in every direction, so that half a pixel's shift shows and compression does not."""
    y, x = np.mgrid[:height, :width] * (14 / max(width, height))
    channels = [127 + 100 * np.sin(wave) for wave in (x, y, x + 2 * y)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(901, 703), (521, 1031), (2007, 1509)])
def test_reduced_scale_keeps_the_geometry(size: tuple[int, int], orientation: int) -> None:
    data = encode(waves(*size), "JPEG", quality=95, subsampling=0, exif=exif(orientation))
    assert decode(data, DEFAULT_LIMITS, shorter=128).scale >= 4
    reduced = preprocess(data, spec(64, (56, 64)))
    full = preprocess(data, spec(64, (56, 64)), margin=None)
    assert reduced.photo_size == full.photo_size == decode(data, DEFAULT_LIMITS).size
    assert reduced.box == full.box
    np.testing.assert_allclose(reduced.pixels, full.pixels.astype(int), atol=2)


@pytest.mark.parametrize("size", [(700, 500), (511, 512), (512, 2000), (4000, 3000)])
def test_reduced_scale_leaves_enough_pixels(size: tuple[int, int]) -> None:
    photo = decode(encode(Image.new("RGB", size), "JPEG"), DEFAULT_LIMITS, shorter=512)
    assert min(photo.image.size) >= min(512, *size)
    assert min(photo.image.size) < 2 * 512 or photo.scale == 8
    assert photo.size == size


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(2007, 1031), (1031, 2007)])
def test_a_box_is_placed_in_a_photo_of_reduced_scale(
    size: tuple[int, int], orientation: int
) -> None:
    data = encode(waves(*size), "JPEG", quality=95, subsampling=0, exif=exif(orientation))
    reduced, full = decode(data, DEFAULT_LIMITS, longer=500), decode(data, DEFAULT_LIMITS)
    assert reduced.scale == 4
    assert max(reduced.image.size) >= 500
    box = (403.0, 202.0, 803.0, 602.0)
    seen, expected = (
        np.asarray(photo.image.resize((50, 50), box=photo.place(box)), dtype=int)
        for photo in (reduced, full)
    )
    np.testing.assert_allclose(seen, expected, atol=3)


# Answers of EfficientNet-Lite0 with its published weights


@torch.inference_mode()
def answer(model: torch.nn.Module, crop: npt.NDArray[np.uint8]) -> int:
    batch = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None]
    return int(model(batch / 127.5 - 1).argmax())


def test_answers_equal_those_of_timms_own_transform(lite0: torch.nn.Module) -> None:
    config = timm.data.resolve_data_config({}, model="tf_efficientnet_lite0", verbose=False)
    config |= {"mean": HALF, "std": HALF, "interpolation": "bicubic", "crop_pct": 0.875}
    transform = timm.data.create_transform(**config)
    same = right = 0
    for path in PHOTOS:
        ours = answer(lite0, preprocess(path.read_bytes(), LITE0).pixels)
        with torch.inference_mode():
            theirs = int(lite0(transform(Image.open(path).convert("RGB"))[None]).argmax())
        same += ours == theirs
        right += ours == int(path.stem.rpartition("_")[2])
    assert len(PHOTOS) == 20
    assert same >= 19
    assert right >= 16


@pytest.mark.parametrize("side", [2000, pytest.param(3464, marks=pytest.mark.slow)])
def test_reduced_scale_keeps_the_answers(lite0: torch.nn.Module, side: int) -> None:
    same = 0
    for path in PHOTOS:
        large = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        data = encode(large, "JPEG", quality=90)
        reduced, full = preprocess(data, LITE0), preprocess(data, LITE0, margin=None)
        same += answer(lite0, reduced.pixels) == answer(lite0, full.pixels)
    assert same >= 19
